"""Overrides set, pin and restrict, and notes report it."""

import pytest

from genretune.tune.space.load import space_from_text
from genretune.tune.space.problems import SpaceError
from genretune.tune.space.space import Space


def load(text: str, *overrides: str) -> Space:
    return space_from_text(text, "s.yaml", overrides)


def names(space: Space) -> list[str]:
    return [dimension.name for dimension in space.dimensions()]


def test_keys_start_at_the_root(good: str) -> None:
    space = load(good, "trial.epochs=20", "data.split.fold=3", "sampler={type: tpe, lag: 4}")
    assert (space.epochs, space.data.split, space.sampler.type) == (20, {"fold": 3}, "tpe")
    assert space.notes == ()


def test_a_swept_parameter_is_pinned(good: str) -> None:
    space = load(good, "trial.optimizer.lr=1e-3")
    assert "optimizer.lr" not in names(space)
    assert space.trial["optimizer"] == {"lr": 1e-3}
    assert space.notes[0] == "optimizer.lr: pinned by optimizer.lr = 0.001, not swept"


def test_values_are_read_as_yaml_1_2(good: str) -> None:
    space = load(good, "data.leakage=off", "parameters.optimizer.lr.min=1e-4")
    assert space.data.leakage == "off"
    assert dict(space.parameters)["optimizer.lr"].distribution.low == 1e-4  # type: ignore[union-attr]


def test_a_choice_is_restricted_by_a_key_inside(good: str) -> None:
    space = load(good, "trial.feature.name=melspec", "trial.feature.n_mels=32")
    assert names(space) == ["optimizer.lr", "model.reduction", "feature"]
    assert space.size() is None
    assert space.notes[0] == 'feature: 1 of 2 options kept by name = "melspec"'


def test_a_choice_can_be_replaced_as_a_whole(good: str) -> None:
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
        ("name.x=1", 'command line: name.x: must be inside a mapping, got name: "spoilt"'),
        ("trial.feature.name=mfcc", "command line: trial.feature.name: must match an "
         'option of feature, got "mfcc" (trial.feature=... replaces the whole choice)'),
        ("trial.epochs=!x 3", 'command line: trial.epochs: tags are not supported, got "!x"'),
        ("data.exclude=[faults", "command line: data.exclude: must be valid YAML: while parsing a "
         "flow sequence expected ',' or ']', but got '<stream end>'"),
        ("metric={name: a, name: b}", "command line: metric: name: must be given once "
         "(duplicate key)"),
    ],
)  # fmt: skip
def test_invalid_overrides_are_refused(good: str, override: str, message: str) -> None:
    with pytest.raises(SpaceError) as error:
        load(good, override)
    assert str(error.value) == message


def test_a_pinned_parameter_is_removed_from_fixed_trials(good: str) -> None:
    fixed = "start_with=[{optimizer.lr: 0.01, model.reduction: 4, feature.name: powerspec}]"
    space = load(good, fixed, "trial.optimizer.lr=1e-3")
    assert space.start_with == ({"model.reduction": 4, "feature.name": "powerspec"},)
    with pytest.raises(SpaceError, match=r"start_with\[0\]: must be a mapping, got 3"):
        load(good, "start_with=[3]", "trial.optimizer.lr=1e-3")
