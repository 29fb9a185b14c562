"""The wheel is what users get: one namespace, everything in it, nothing beside it."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SHIPPED = ("data", "models", "tune", "search_spaces", "scripts")


@pytest.mark.integration
def test_the_wheel_installs_into_an_empty_environment(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for folder in SHIPPED:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / folder, source / folder, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", "dist"]
    subprocess.run([*build, str(source)], check=True, capture_output=True, cwd=tmp_path)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"genretune"}
    for folder in SHIPPED:
        inside = {p.relative_to(ROOT) for p in (ROOT / folder).rglob("*.py")}
        assert {f"genretune/{path.as_posix()}" for path in inside} <= set(names)
        assert f"genretune/{folder}/py.typed" in names
    assert "genretune/search_spaces/quickstart.yaml" in names

    empty = tmp_path / "empty"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(empty)], check=True)
    install = ["install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    pip = [sys.executable, "-m", "pip", "--python", str(empty / "bin" / "python")]
    subprocess.run([*pip, *install], check=True, cwd=tmp_path)
    code = "import genretune.data, genretune.models, genretune.tune, genretune.scripts"
    forbidden = "import importlib.util as u; assert not any(map(u.find_spec, ['data', 'tune']))"
    subprocess.run(
        [str(empty / "bin" / "python"), "-c", f"{code}; {forbidden}"], check=True, cwd=empty
    )
    assert (empty / "bin" / "genretune").exists()
