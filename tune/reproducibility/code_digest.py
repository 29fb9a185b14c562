"""This package's own files, and a digest of its code.

Nothing of ours is imported here, so that Ray can send these functions by value to a node that has
nothing of ours.
"""

FOLDERS = ("data", "models", "scripts", "search_spaces", "tune")
MATTER = ("data", "models", "tune")
"""The folders whose code bits depend on."""


def package_files(folders: "tuple[str, ...]" = FOLDERS) -> "dict[str, str]":
    """Path in the package -> path on disk of every file that belongs to it; {} where it lacks."""
    import importlib.util
    from pathlib import Path

    found = {}
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
                found[f"genretune/{folder}/{path.relative_to(root).as_posix()}"] = str(path)
    return found


def code_digest(folders: "tuple[str, ...]" = FOLDERS) -> "str | None":
    """SHA-256 over the package's Python files; None where there is no package."""
    import hashlib
    from pathlib import Path

    files = package_files(folders)
    if not files:
        return None
    digest = hashlib.sha256()
    for name in sorted(files):
        if name.endswith(".py"):
            content = Path(files[name]).read_bytes()
            digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()
