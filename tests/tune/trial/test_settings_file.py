"""Settings files: YAML or JSON, dotted overrides, and errors that name the line or key."""

from pathlib import Path

import pytest

from genretune.tune.errors import TuneError
from genretune.tune.trial.settings_file import parse_override, read_settings


def test_overrides_are_applied_in_order(tmp_path: Path) -> None:
    path = tmp_path / "trial.yaml"
    path.write_text("epochs: 3\noptimizer: {name: SGD, lr: 0.1}\n")
    overrides = ["epochs=5", "optimizer.lr=0.01", "data.split.fold=2"]
    assert read_settings(path, overrides) == {
        "epochs": 5,
        "optimizer": {"name": "SGD", "lr": 0.01},
        "data": {"split": {"fold": 2}},
    }


def test_a_new_component_drops_the_arguments_of_the_former(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text('{"optimizer": {"name": "SGD", "momentum": 0.9}}')
    same = read_settings(path, ["optimizer.name=SGD"])
    assert same == {"optimizer": {"name": "SGD", "momentum": 0.9}}
    assert read_settings(path, ["optimizer.name=Adam"]) == {"optimizer": {"name": "Adam"}}


def test_values_are_yaml_1_2() -> None:
    assert parse_override("optimizer.lr=1e-3") == ("optimizer.lr", 0.001)
    assert parse_override("a=no") == ("a", "no")
    assert parse_override("a=null") == ("a", None)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("epochs", "override: must be key=value, got epochs"),
        ("=5", "override: must be key=value, got =5"),
        ("epochs=[", "epochs: must be YAML, got"),
        ("epochs.x=1", "epochs.x: epochs must be a mapping, got 3"),
    ],
)
def test_invalid_overrides_are_named(tmp_path: Path, override: str, message: str) -> None:
    path = tmp_path / "trial.yaml"
    path.write_text("epochs: 3\n")
    with pytest.raises(TuneError) as caught:
        read_settings(path, [override])
    assert str(caught.value).startswith(message)


def test_invalid_files_are_named_with_the_line(tmp_path: Path) -> None:
    path = tmp_path / "trial.yaml"
    with pytest.raises(TuneError, match=r"trial\.yaml: must be a readable file, got No such"):
        read_settings(path)
    path.write_text("epochs: 3\nmodel: [\n")
    with pytest.raises(TuneError, match=r"trial\.yaml:3: must be YAML or JSON"):
        read_settings(path)
    path.write_text("[1]")
    with pytest.raises(TuneError, match="must be a mapping of settings, got "):
        read_settings(path)
