"""What a plan recommends."""

from collections.abc import Callable
from pathlib import Path

import pytest

from genretune.tune.space.load import load_space
from genretune.tune.space.space import Space
from genretune.tune.sweep.plan import make_plan
from genretune.tune.sweep.recommendation import recommendations

SPACES = Path(__file__).parents[3] / "search_spaces"
Spaces = Callable[..., Space]
BEST = (
    "trial.epochs=50",
    "trials=64",
    "sampler={type: parzen}",
    "early_terminate={type: asha, grace_period: 2}",
)


def found(space: Space, workers: int = 8) -> dict[str, tuple[object, object]]:
    return {one.setting: (one.value, one.given) for one in recommendations(space, workers)}


def test_what_was_measured_best_is_left_alone(space: Spaces) -> None:
    assert found(space(*BEST)) == {}
    assert make_plan(space(*BEST), workers=8).recommended == []


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("sampler={type: tpe}", {"sampler.type": ("parzen", "tpe")}),
        ("trial.epochs=100", {"early_terminate.grace_period": (4, 2)}),
        ("early_terminate={type: none}", {"early_terminate.type": ("asha", "none")}),
        ("early_terminate.reduction_factor=4", {"early_terminate.reduction_factor": (3, 4)}),
        ("early_terminate.reduction_factor=2", {}),
        ("early_terminate.brackets=2", {"early_terminate.brackets": (1, 2)}),
        ("early_terminate.order=arrival", {}),
    ],
)
def test_each_setting(
    space: Spaces, override: str, expected: dict[str, tuple[object, object]]
) -> None:
    assert found(space(*BEST, override)) == expected


def test_the_lag_follows_the_workers(space: Spaces) -> None:
    assert found(space(*BEST), workers=32) == {"sampler.lag": (64, 16)}
    assert found(space(*BEST, "sampler.lag=64"), workers=32) == {}


def test_a_short_sweep_is_not_told_to_learn(space: Spaces) -> None:
    assert found(space(*BEST, "trials=12")) == {}
    assert found(space(*BEST, "trials=12", "sampler={type: random}")) == {}
    assert found(space(*BEST, "trials=12", "sampler={type: tpe}")) == {
        "sampler.type": ("random", "tpe")
    }


def test_a_space_that_can_be_tried_whole_is_a_grid(space: Spaces) -> None:
    small = "parameters={optimizer.lr: {values: [0.1, 0.2]}}"
    assert found(space(*BEST, small)) == {"sampler.type": ("grid", "parzen")}


@pytest.mark.parametrize(
    "name", ["quickstart", "se_cnn", "resnet", "augmentation", "reduction", "paper"]
)
def test_the_shipped_spaces_carry_it(name: str) -> None:
    assert found(load_space(SPACES / f"{name}.yaml", [])) == {}
