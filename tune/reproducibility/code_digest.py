"""The files of this package and a digest of its code.

These functions import nothing from ``genretune``, and everything else inside their bodies, so that
Ray can pickle them by value and run them on a node where the package is not installed.
"""

PACKAGE_FOLDERS = ("data", "models", "scripts", "search_spaces", "tune")
NUMERICS_FOLDERS = ("data", "models", "tune")
"""The folders whose code a trial's bits depend on."""


def package_files(folders: "tuple[str, ...]" = PACKAGE_FOLDERS) -> "dict[str, str]":
    """Return the path on disk of every file of the package, by its path in the package.

    Returns:
        An empty dict if one of the folders cannot be imported on this node.
    """
    import importlib.util
    from pathlib import Path

    files = {}
    for folder in folders:
        try:
            spec = importlib.util.find_spec(f"genretune.{folder}")
        except ModuleNotFoundError:
            return {}
        if spec is None or not spec.submodule_search_locations:
            return {}
        root = Path(next(iter(spec.submodule_search_locations)))
        for path in sorted(root.rglob("*")):
            if path.is_file() and path.suffix in (".py", ".typed", ".yaml", ".json", ".html"):
                files[f"genretune/{folder}/{path.relative_to(root).as_posix()}"] = str(path)
    return files


def code_digest(folders: "tuple[str, ...]" = PACKAGE_FOLDERS) -> "str | None":
    """Return a SHA-256 over the package's Python files, or None if it is not installed."""
    import hashlib
    from pathlib import Path

    files = package_files(folders)
    if not files:
        return None
    digest = hashlib.sha256()
    for name in sorted(files):
        if name.endswith(".py"):
            content = Path(files[name]).read_bytes()
            # the length keeps (name, content) pairs apart: no two trees hash the same bytes
            digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()
