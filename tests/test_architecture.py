"""The rules of the house, read from the source: who may import whom, and who may touch what."""

import ast
import importlib.util
import re
import subprocess
import sys
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
# one more arrow, for one small module: every folder words "did you mean" alike
SHARED = {"models": {"genretune.data.name_suggestions"}}

# The rooms of tune/, from the lowest up: each may import itself, the rooms listed here, and the
# modules that stand beside the rooms (errors, error_messages, metric_names).
ROOMS: dict[str, set[str]] = {
    "reproducibility": set(),
    "storage": {"reproducibility"},
    "space": set(),
    "samplers": {"space", "reproducibility"},
    "sweep": {"samplers", "space", "reproducibility"},
    "training": {"reproducibility"},
    "trial": {"training", "storage", "reproducibility"},
    "run": {"trial", "training", "sweep", "samplers", "space", "storage", "reproducibility"},
    "dispatch": {
        *("run", "trial", "training", "storage", "reproducibility"),
        *("sweep", "samplers", "space"),
    },
}
WITHOUT_TORCH = ("space", "samplers", "sweep", "storage")
OPTUNA = {"tune/samplers/tpe.py"}
# plain counterparts that benchmarks compare with use what they are about; soaks start clusters
EXEMPT = ("scripts/benchmarks/", "scripts/soaks/")
LARGEST_FOLDER = 20
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
def test_arrows_between_folders_point_one_way(path: str) -> None:
    folder = path.split("/")[0]
    for name in imported(SOURCES[path]):
        if name.startswith("genretune.") and name not in SHARED.get(folder, ()):
            assert name.split(".")[1] in MAY_IMPORT[folder], f"{path} imports {name}"


def test_every_room_has_its_arrows() -> None:
    rooms = {path.parent.name for path in (ROOT / "tune").glob("*/__init__.py")}
    assert rooms == set(ROOMS)
    for room, below in ROOMS.items():
        for lower in below:
            assert ROOMS[lower] <= below, f"{room} may import {lower}, so also what {lower} may"


@pytest.mark.parametrize("path", [path for path in SOURCES if path.startswith("tune/")])
def test_arrows_between_rooms_point_one_way(path: str) -> None:
    parts = path.split("/")
    room = parts[1] if len(parts) > 2 else None
    for name in imported(SOURCES[path]):
        target = name.split(".")[2] if name.startswith("genretune.tune.") else None
        if target in ROOMS and target != room:
            assert room is not None and target in ROOMS[room], f"{path} imports {name}"


@pytest.mark.parametrize("room", WITHOUT_TORCH)
def test_rooms_that_every_command_loads_need_no_torch(room: str) -> None:
    modules = [
        "genretune." + path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
        for path in SOURCES
        if path.startswith(f"tune/{room}/")
    ]
    code = (
        f"import importlib, sys\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
        f"assert 'torch' not in sys.modules and 'ray' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_training_needs_no_more_than_torch_numpy_and_pydantic() -> None:
    """So that a trial can be run on a GPU machine that has little else."""
    hidden = ("ray", "optuna", "pyarrow", "soundfile", "soxr", "sklearn", "scipy", "psutil")
    hidden += ("pynvml", "filelock", "platformdirs", "safetensors", "tabulate", "rich", "typer")
    modules = [
        f"genretune.tune.training.{path.stem}"
        for path in (ROOT / "tune" / "training").glob("*.py")
        if path.stem != "__init__"
    ]
    code = (
        f"import importlib, sys\n"
        f"sys.modules.update(dict.fromkeys({hidden!r}))\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_package_says_what_lives_in_it() -> None:
    for path, tree in SOURCES.items():
        if path.endswith("__init__.py") and path != "search_spaces/__init__.py":
            text = ast.get_docstring(tree) or ""
            assert len(text.splitlines()) == 3, f"{path} must say what, for whom, where to begin"


def test_no_folder_has_too_many_modules() -> None:
    for folder in {(ROOT / path).parent for path in SOURCES}:
        modules = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
        assert len(modules) <= LARGEST_FOLDER, f"{folder} has {len(modules)} modules"


def test_modules_started_by_name_exist() -> None:
    """``python -m genretune...`` in sources, shell scripts and the entry point."""
    texts = [(ROOT / path).read_text() for path in SOURCES]
    shell = [p for p in (ROOT / "scripts").rglob("*") if p.is_file() and p.suffix in ("", ".sh")]
    texts += [path.read_text() for path in [*shell, ROOT / "pyproject.toml"]]
    found = set()
    for text in texts:
        found |= set(re.findall(r'"-m",\s*"(genretune[\w.]+)"', text))
        found |= set(re.findall(r"-m \"?(genretune[\w.]+\w)\"?[\s)]", text))
        found |= set(re.findall(r'genretune = "(genretune[\w.]+):main"', text))
        for prefix in re.findall(r"(genretune[\w.]+)\.\$name", text):
            assert importlib.util.find_spec(prefix), prefix
    assert {"genretune.scripts.cli", "genretune.scripts.driver_main"} <= found
    for name in found:
        assert importlib.util.find_spec(name), f"{name} does not exist"


def test_only_dispatch_imports_ray_and_one_file_optuna() -> None:
    ray, optuna = set(), set()
    for path, tree in SOURCES.items():
        if path.startswith(EXEMPT):
            continue
        packages = {name.split(".")[0] for name in imported(tree)}
        ray |= {path} if "ray" in packages else set()
        optuna |= {path} if "optuna" in packages else set()
    assert ray and all(path.startswith("tune/dispatch/") for path in ray), ray
    assert optuna == OPTUNA


def test_nothing_seeds_globally_but_seeds() -> None:
    for path, tree in SOURCES.items():
        if path == "tune/reproducibility/seeds.py" or path.startswith(EXEMPT):
            continue
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            owner = node.func.value
            name = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
            assert (name, node.func.attr) not in GLOBAL_SEEDING, f"{path}:{node.lineno}"


def test_torchs_global_settings_are_set_in_one_place() -> None:
    for path, tree in SOURCES.items():
        if path == "tune/reproducibility/determinism.py" or path.startswith(EXEMPT):
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
