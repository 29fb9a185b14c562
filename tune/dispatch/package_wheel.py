"""The running package as a wheel, for nodes without it or with another version of it."""

import base64
import hashlib
import zipfile
from importlib import metadata
from pathlib import Path

from genretune.tune.reproducibility.code_digest import package_files

_NAME = "genretune"


def build_wheel(folder: Path) -> Path:
    """Write the running package as a wheel into ``folder``; return its path.

    The wheel declares no requirements: those belong to the cluster's image, and pip would fetch
    gigabytes for each node. Format:
    https://packaging.python.org/en/latest/specifications/binary-distribution-format/
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
