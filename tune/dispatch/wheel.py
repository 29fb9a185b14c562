"""This package as a wheel, for nodes that lack it or have another version of it.

The functions that look for the package import nothing of ours, so that Ray can send them by value
to a node that has nothing of ours.
"""

import base64
import hashlib
import zipfile
from importlib import metadata
from pathlib import Path

_NAME = "genretune"


def package_files() -> "dict[str, str]":
    """Path in the package -> path on disk of every file that belongs to it; {} where it lacks."""
    import importlib.util
    from pathlib import Path

    found = {}
    for folder in ("data", "models", "scripts", "search_spaces", "tune"):
        try:
            spec = importlib.util.find_spec(f"genretune.{folder}")
        except ModuleNotFoundError:
            return {}
        if spec is None or not spec.submodule_search_locations:
            return {}
        root = Path(next(iter(spec.submodule_search_locations)))
        for path in sorted(root.rglob("*")):
            if path.is_file() and path.suffix in (".py", ".typed", ".yaml", ".json", ".html"):
                found[f"genretune/{folder}/{path.relative_to(root).as_posix()}"] = str(path)
    return found


def code_digest() -> "str | None":
    """SHA-256 over the package's Python files; None where there is no package."""
    import hashlib
    from pathlib import Path

    files = package_files()
    if not files:
        return None
    digest = hashlib.sha256()
    for name in sorted(files):
        if name.endswith(".py"):
            digest.update(f"{name}\n".encode() + Path(files[name]).read_bytes())
    return digest.hexdigest()


def build_wheel(folder: Path) -> Path:
    """Write the running package as a wheel into ``folder``.

    It names no requirements: what they are is the cluster's image's business, and pip would fetch
    gigabytes for each node. Format: https://packaging.python.org/en/latest/specifications/
    binary-distribution-format/
    """
    version = metadata.version(_NAME)
    info = f"{_NAME}-{version}.dist-info"
    path = folder / f"{_NAME}-{version}-py3-none-any.whl"
    contents = {name: Path(source).read_bytes() for name, source in package_files().items()}
    contents[f"{info}/METADATA"] = (
        f"Metadata-Version: 2.1\nName: {_NAME}\nVersion: {version}\n".encode()
    )
    contents[f"{info}/WHEEL"] = (
        f"Wheel-Version: 1.0\nGenerator: {_NAME}\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    ).encode()
    lines = [f"{name},{_sha256(content)},{len(content)}" for name, content in contents.items()]
    contents[f"{info}/RECORD"] = "\n".join([*lines, f"{info}/RECORD,,", ""]).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, content in contents.items():
            wheel.writestr(name, content)
    return path


def _sha256(content: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest())
    return f"sha256={digest.rstrip(b'=').decode()}"
