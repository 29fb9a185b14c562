import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from genretune.models.build import build_model
from genretune.models.errors import ModelError
from genretune.models.plugins import load_plugin, merge

PAGE = Path(__file__).parents[2] / "docs" / "plugins.md"


def blocks(language: str) -> list[str]:
    found = re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), flags=re.M | re.S)
    return [str(block) for block in found]


def write(folder: Path, source: str, name: str = "my_model.py") -> Path:
    path = folder / name
    path.write_text(source)
    return path


@pytest.fixture
def example(tmp_path: Path) -> Path:
    (source,) = blocks("python")
    return write(tmp_path, source)


def genretune(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "genretune.scripts.cli", *arguments],
        cwd=folder,
        env={**os.environ, "XDG_CACHE_HOME": str(folder / "cache")},
        capture_output=True,
        text=True,
    )


@pytest.mark.integration
def test_the_documented_example_works(example: Path) -> None:
    folder = example.parent
    (settings,) = blocks("yaml")
    write(folder, settings, "trial.yaml")
    (session,) = blocks("console")
    commands = [line.removeprefix("$ genretune ") for line in session.splitlines()]
    for command in commands:
        done = genretune(*command.split(), folder=folder)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    assert "exact" in done.stdout
    example.write_text(example.read_text() + "# another file\n")
    done = genretune(*commands[-1].split(), folder=folder)
    assert done.returncode == 5
    assert "must be the recorded my_model.py" in done.stderr


def test_the_example_is_loaded_with_its_digest(example: Path) -> None:
    plugin = load_plugin(example)
    assert (plugin.name, sorted(plugin.models), sorted(plugin.features)) == (
        "my_model.py",
        ["attention_net"],
        ["change"],
    )
    assert plugin.sha256 == load_plugin(example).sha256
    with pytest.raises(ModelError, match=r"model\.width: must be a whole number >= 1, got 0"):
        build_model(
            {"name": "attention_net", "width": 0},
            classes=3,
            input_shape=(1, 24, 30),
            extra=plugin.models,
        )


def test_a_changed_file_is_loaded_again(tmp_path: Path) -> None:
    source = "from torch.nn import Flatten\ndef f(*, size: int = {}): return Flatten()\n"
    source += "MODELS = {{'mine': f}}\n"
    first = load_plugin(write(tmp_path, source.format(1)))
    second = load_plugin(write(tmp_path, source.format(2)))
    assert first.sha256 != second.sha256
    assert first.models["mine"] is not second.models["mine"]


def test_two_plugins_with_the_same_model_name(tmp_path: Path) -> None:
    source = "from torch.nn import Flatten\nMODELS = {'mine': lambda: Flatten()}\n"
    first = load_plugin(write(tmp_path, source, "a.py"))
    second = load_plugin(write(tmp_path, source + "#\n", "b.py"))
    assert list(merge([first])[0]) == ["mine"]
    with pytest.raises(
        ModelError, match=r"plugin b\.py: each model needs a unique name, got mine a second"
    ):
        merge([first, second])


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("x = 1", r"plugin my_model\.py: must have a non-empty dict MODELS or FEATURES"),
        ("MODELS = {}", "must have a non-empty dict MODELS or FEATURES"),
        ("MODELS = [1]", "MODELS must be a dict from name to class, got list"),
        ("MODELS = {1: print}", "names in MODELS must be strings, got 1"),
        ("MODELS = {'a': 3}", "must hold classes or functions, got a = 3"),
        ("def f(): ...\nMODELS = {'cnn': f}", "a model must not reuse a built-in name, got cnn"),
        (
            "def f(): ...\nFEATURES = {'mfcc': f}",
            "a feature must not reuse a built-in name, got mfcc",
        ),
        ("def f(size=1): ...\nMODELS = {'a': f}", "model a: every argument must be annotated"),
        (
            "def f(**k: int): ...\nMODELS = {'a': f}",
            "model a: every argument must be a named keyword",
        ),
        ("import nowhere_at_all", "must run without an error, got ModuleNotFoundError: No module"),
        ("def", "must run without an error, got SyntaxError"),
    ],
)
def test_invalid_plugin_files(tmp_path: Path, source: str, words: str) -> None:
    with pytest.raises(ModelError, match=words) as caught:
        load_plugin(write(tmp_path, source))
    assert "\n" not in str(caught.value)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="must be a readable Python file, got .*No such file"):
        load_plugin(tmp_path / "none.py")
