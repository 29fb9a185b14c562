"""Overrides: set, pin, restrict, and say so."""

import pytest

from genretune.tune.space.load import space_from_text
from genretune.tune.space.problems import SpaceError
from genretune.tune.space.space import Space


def load(text: str, *overrides: str) -> Space:
    return space_from_text(text, "s.yaml", overrides)


def names(space: Space) -> list[str]:
    return [dimension.name for dimension in space.dimensions()]


def test_a_key_is_set_from_the_root(good: str) -> None:
    space = load(good, "trial.epochs=20", "data.split.fold=3", "sampler={type: tpe, lag: 4}")
    assert (space.epochs, space.data.split, space.sampler.type) == (20, {"fold": 3}, "tpe")
    assert space.notes == ()


def test_a_swept_parameter_is_pinned(good: str) -> None:
    space = load(good, "trial.optimizer.lr=1e-3")
    assert "optimizer.lr" not in names(space)
    assert space.trial["optimizer"] == {"lr": 1e-3}
    assert space.notes == ("optimizer.lr: pinned by optimizer.lr = 0.001, not swept",)


def test_values_are_read_as_yaml_1_2(good: str) -> None:
    space = load(good, "data.leakage=off", "parameters.optimizer.lr.min=1e-4")
    assert space.data.leakage == "off"
    assert dict(space.parameters)["optimizer.lr"].distribution.low == 1e-4  # type: ignore[union-attr]


def test_a_choice_is_restricted_by_a_key_inside(good: str) -> None:
    space = load(good, "trial.feature.name=melspec", "trial.feature.n_mels=32")
    assert names(space) == ["optimizer.lr", "model.reduction", "feature"]
    assert space.size() is None
    assert space.notes[0] == 'feature: 1 of 2 options kept by name = "melspec"'


def test_a_choice_is_replaced_whole(good: str) -> None:
    space = load(good, "trial.feature={name: rawspec}")
    assert names(space) == ["optimizer.lr", "model.reduction"]
    assert space.trial["feature"] == {"name": "rawspec"}


def test_a_parameter_is_changed_under_its_dotted_key(good: str) -> None:
    space = load(good, "parameters.optimizer.lr.max=1.0", "parameters.model.dropout={values: [0]}")
    assert names(space) == ["optimizer.lr", "model.reduction", "feature", "feature[melspec].n_mels",
                            "model.dropout"]  # fmt: skip


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("epochs", 'command line: must be key=value, got "epochs" (for example trial.epochs=10)'),
        ("trial.epochs=x", "command line: trial.epochs: must be a whole number of at least 1, "
                           'got "x"'),
        ("name.x=1", 'command line: name.x: must lie inside a mapping, got name: "spoilt"'),
        ("trial.feature.name=mfcc", "command line: trial.feature.name: must be what one of the "
         'options of feature holds, got "mfcc" (trial.feature=... replaces the whole choice)'),
        ("trial.epochs=!x 3", 'command line: trial.epochs: tags are not read, got "!x"'),
        ("data.exclude=[faults", "command line: data.exclude: must be YAML: while parsing a flow "
         "sequence expected ',' or ']', but got '<stream end>'"),
        ("metric={name: a, name: b}", "command line: metric: name: must be given once "
         "(the key stands here twice)"),
    ],
)  # fmt: skip
def test_what_cannot_be_overridden(good: str, override: str, message: str) -> None:
    with pytest.raises(SpaceError) as error:
        load(good, override)
    assert str(error.value) == message
