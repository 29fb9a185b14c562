"""The wheel holds the whole package and nothing else, and has the same code digest."""

import subprocess
import sys
import zipfile
from pathlib import Path

from genretune.tune.dispatch.package_wheel import build_wheel
from genretune.tune.reproducibility.code_digest import code_digest, package_files

PRINT_DIGEST = """\
import sys
sys.meta_path[:] = [f for f in sys.meta_path if "genretune" not in repr(f)]
sys.path.insert(0, sys.argv[1])
from genretune.tune.reproducibility.code_digest import code_digest
import genretune.tune
print(code_digest(), genretune.tune.__file__)
"""


def test_the_wheel_holds_the_package_and_requires_nothing(tmp_path: Path) -> None:
    path = build_wheel(tmp_path)
    with zipfile.ZipFile(path) as wheel:
        names = set(wheel.namelist())
        assert set(package_files()) < names
        assert all(name.startswith("genretune") for name in names)
        metadata = next(name for name in names if name.endswith("METADATA"))
        assert b"Requires-Dist" not in wheel.read(metadata)
    unpacked = tmp_path / "unpacked"
    with zipfile.ZipFile(path) as wheel:
        wheel.extractall(unpacked)
    done = subprocess.run(
        [sys.executable, "-c", PRINT_DIGEST, str(unpacked)],
        capture_output=True,
        text=True,
        check=True,
    )
    digest, imported_from = done.stdout.split()
    assert imported_from.startswith(str(unpacked)) and digest == code_digest()
