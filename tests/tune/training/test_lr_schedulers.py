"""Learning rates: torch's own curves to the bit, also walked again, and what is refused."""

import json
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adagrad, Optimizer, lr_scheduler

from genretune.models.errors import ModelError
from genretune.tune.errors import TuneError
from genretune.tune.training.lr_schedule import LrSchedule
from genretune.tune.training.lr_schedulers import LR_SCHEDULERS, PER_BATCH, resolve_lr_scheduler

EPOCHS, BATCHES = 12, 3
REFERENCE = json.loads((Path(__file__).parent / "lr_reference.json").read_text())
GIVEN: dict[str, dict[str, Any]] = {
    "StepLR": {"step_size": 3},
    "MultiStepLR": {"milestones": [2, 5], "gamma": 0.5},
    "ExponentialLR": {"gamma": 0.9},
    "PolynomialLR": {"power": 2.0},
    "CosineAnnealingWarmRestarts": {"T_0": 2, "T_mult": 2},
    "ReduceLROnPlateau": {"patience": 1, "factor": 0.5},
    "OneCycleLR": {"max_lr": 0.1},
    "CyclicLR": {"base_lr": 0.001, "max_lr": 0.1, "step_size_up": 5},
}
# What a span that is left out means: the whole trial.
SPANS = {
    "ConstantLR": {"total_iters": EPOCHS},
    "LinearLR": {"total_iters": EPOCHS, "start_factor": 1.0, "end_factor": 0.1},
    "PolynomialLR": {"total_iters": EPOCHS},
    "CosineAnnealingLR": {"T_max": EPOCHS},
    "OneCycleLR": {"total_steps": EPOCHS * BATCHES},
}


def optimizer(lr: float = 0.001) -> Optimizer:
    return SGD([nn.Parameter(torch.zeros(1))], lr=lr, momentum=0.9)


def history(epochs: int) -> list[dict[str, Any]]:
    losses = [1.0, 0.9, 0.95, 0.94, 0.93, 0.8, 0.81, 0.82, 0.83, 0.84, 0.85, 0.86]
    return [{"val_loss": loss} for loss in losses[:epochs]]


def curve(schedule: LrSchedule, moved: Optimizer, records: list[dict[str, Any]]) -> list[Any]:
    """Learning rate and momentum at every batch."""
    found = []
    for record in records:
        for _ in range(BATCHES):
            found.append((schedule.lr, moved.param_groups[0]["momentum"]))
            moved.step()
            schedule.after_batch()
        schedule.after_epoch(record)
    return found


def ours(config: dict[str, Any]) -> tuple[LrSchedule, Optimizer]:
    moved = optimizer()
    return LrSchedule(config, moved, steps_per_epoch=BATCHES, epochs=EPOCHS), moved


@pytest.mark.parametrize("name", LR_SCHEDULERS)
def test_curves_are_torchs_own(name: str) -> None:
    given = GIVEN.get(name, {})
    config = resolve_lr_scheduler({"name": name, **given}, epochs=EPOCHS)
    found = curve(*ours(config), history(EPOCHS))
    moved = optimizer()
    theirs = vars(lr_scheduler)[name](moved, **{**given, **SPANS.get(name, {})})
    expected = []
    for record in history(EPOCHS):
        for _ in range(BATCHES):
            expected.append((moved.param_groups[0]["lr"], moved.param_groups[0]["momentum"]))
            moved.step()
            if name in PER_BATCH:
                theirs.step()
        if name == "ReduceLROnPlateau":
            theirs.step(record["val_loss"])
        elif name not in PER_BATCH:
            theirs.step()
    assert found == expected


@pytest.mark.parametrize("epoch", [1, 5, EPOCHS - 1])
@pytest.mark.parametrize("name", [*LR_SCHEDULERS, "warm-up", "nothing"])
def test_a_curve_walked_again_is_the_same(name: str, epoch: int) -> None:
    given: dict[str, Any] = {"name": name, **GIVEN.get(name, {})}
    if name == "warm-up":
        given = {"name": "CosineAnnealingLR", "warmup_epochs": 3}
    elif name == "nothing":
        given = {"name": None}
    config = resolve_lr_scheduler(given, epochs=EPOCHS)
    straight = curve(*ours(config), history(EPOCHS))
    schedule, moved = ours(config)
    schedule.walk(history(epoch))
    assert curve(schedule, moved, history(EPOCHS)[epoch:]) == straight[epoch * BATCHES :]


@pytest.mark.parametrize("name", REFERENCE)
def test_curves_are_the_references(name: str) -> None:
    expected = REFERENCE[name]
    moved = optimizer()
    given = {"name": name, **expected["kwargs"]}
    config = resolve_lr_scheduler(given, epochs=50)
    schedule = LrSchedule(config, moved, steps_per_epoch=1, epochs=50)
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # no step of the optimizer between
        for _ in range(51):
            found.append(schedule.lr)
            if len(found) < 51:
                schedule.after_batch()
                schedule.after_epoch({})
    assert found[:5] == expected["lr_first5"]
    assert [found[at] for at in (10, 25, 49, 50)] == expected["lr_after_10_25_49_50"]


def test_warm_up_rises_linearly_and_hands_over() -> None:
    given = {"name": "LinearLR", "warmup_epochs": 2, "warmup_factor": 0.5, "end_factor": 0.5}
    config = resolve_lr_scheduler(given, epochs=4)
    assert config["total_iters"] == 2
    moved = optimizer(1.0)
    schedule = LrSchedule(config, moved, steps_per_epoch=1, epochs=4)
    rates = []
    for _ in range(4):
        rates.append(schedule.lr)
        moved.step()
        schedule.after_epoch({})
    assert rates == [0.5, 0.75, 1.0, 0.75]


def test_a_plateau_follows_its_metrics_direction() -> None:
    config = resolve_lr_scheduler({"name": "ReduceLROnPlateau", "metric": "val_acc"}, epochs=3)
    assert config["mode"] == "max"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"name": "StepLR"}, "lr_scheduler.step_size"),
        ({"name": "LinearLr"}, "did you mean 'LinearLR'"),
        ({"name": "ReduceLROnPlateau", "metric": "val_los"}, "did you mean 'val_loss'"),
        ({"name": None, "gamma": 0.1}, "lr_scheduler.gamma: a null lr scheduler takes no"),
        ({"name": "OneCycleLR", "max_lr": 0.1, "warmup_epochs": 1}, "takes no warm-up, got 1"),
        ({"name": None, "warmup_epochs": 12}, "must be below the trial's 12 epochs, got 12"),
    ],
)
def test_wrong_arguments_are_named(given: dict[str, Any], said: str) -> None:
    with pytest.raises((ModelError, TuneError), match=said):
        resolve_lr_scheduler(given, epochs=EPOCHS)


def test_what_does_not_go_together_is_named() -> None:
    config = resolve_lr_scheduler({"name": "OneCycleLR", "max_lr": 0.1}, epochs=2)
    still = Adagrad([nn.Parameter(torch.zeros(1))])
    with pytest.raises(TuneError, match="lr_scheduler: OneCycleLR on Adagrad: .*momentum"):
        LrSchedule(config, still, steps_per_epoch=2, epochs=2)
    config |= {"total_steps": 3}
    with pytest.raises(TuneError, match="at least the trial's 4 batches, got 3"):
        LrSchedule(config, optimizer(), steps_per_epoch=2, epochs=2)
