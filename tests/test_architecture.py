"""Who may import whom, what may touch global state, how long a file may be: read from source."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("data", "models", "tune", "search_spaces", "scripts")
MAY_IMPORT = {
    "data": {"data"},
    "models": {"models"},
    "tune": {"tune", "data", "models"},
    "search_spaces": set(),
    "scripts": {"scripts", "tune", "data", "models", "search_spaces"},
}
OPTUNA = "tune/samplers/tpe.py"
# plain counterparts that benchmarks compare with use what they are about
COUNTERPARTS = "scripts/benchmarks/"
GLOBAL_SEEDING = {
    ("torch", "manual_seed"),
    ("random", "manual_seed"),
    ("cuda", "manual_seed"),
    ("cuda", "manual_seed_all"),
    ("default_generator", "manual_seed"),
    ("random", "seed"),
    ("torch", "seed"),
    ("random", "set_rng_state"),
    ("torch", "set_rng_state"),
    ("random", "fork_rng"),
}
GLOBAL_SETTINGS = {
    "set_num_threads",
    "set_num_interop_threads",
    "use_deterministic_algorithms",
    "set_float32_matmul_precision",
    "set_default_dtype",
    "set_default_device",
    "set_flush_denormal",
    "set_grad_enabled",
}


def sources() -> Iterator[tuple[str, ast.Module]]:
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text())


SOURCES = dict(sources())


def imported(tree: ast.Module) -> Iterator[str]:
    """Names of all modules that a source imports, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.module or ""
            if node.module in ("genretune", "genretune.tune"):
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", SOURCES)
def test_arrows_point_one_way(path: str) -> None:
    folder = path.split("/")[0]
    for name in imported(SOURCES[path]):
        if name.startswith("genretune."):
            assert name.split(".")[1] in MAY_IMPORT[folder], f"{path} imports {name}"


def test_only_dispatch_imports_ray_and_one_file_optuna() -> None:
    ray, optuna = set(), set()
    for path, tree in SOURCES.items():
        if path.startswith(COUNTERPARTS):
            continue
        packages = {name.split(".")[0] for name in imported(tree)}
        ray |= {path} if "ray" in packages else set()
        optuna |= {path} if "optuna" in packages else set()
    assert ray and all(path.startswith("tune/dispatch/") for path in ray), ray
    assert optuna == {OPTUNA}


def test_nothing_seeds_globally_but_seeds() -> None:
    for path, tree in SOURCES.items():
        if path == "tune/reproducibility/seeds.py" or path.startswith(COUNTERPARTS):
            continue
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            owner = node.func.value
            name = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
            assert (name, node.func.attr) not in GLOBAL_SEEDING, f"{path}:{node.lineno}"


def test_torchs_global_settings_are_set_in_one_place() -> None:
    for path, tree in SOURCES.items():
        if path == "tune/reproducibility/determinism.py" or path.startswith(COUNTERPARTS):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                assert node.func.attr not in GLOBAL_SETTINGS, f"{path}:{node.lineno}"


def test_files_and_functions_stay_short() -> None:
    for path, tree in SOURCES.items():
        lines = (ROOT / path).read_text().count("\n")
        assert lines <= 300, f"{path} has {lines} lines"
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                assert length <= 60, f"{path}:{node.lineno} {node.name} has {length} lines"


def test_every_package_is_shipped() -> None:
    listed = (ROOT / "pyproject.toml").read_text()
    for folder in FOLDERS:
        for init in (ROOT / folder).rglob("__init__.py"):
            dotted = ".".join(init.parent.relative_to(ROOT).parts)
            assert f'"genretune.{dotted}"' in listed
