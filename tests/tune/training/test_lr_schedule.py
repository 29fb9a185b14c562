"""Learning-rate curves: equal to torch's to the bit, also after a restart."""

import json
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adagrad, Optimizer, lr_scheduler

from genretune.tune.errors import TuneError
from genretune.tune.training.lr_schedule import LrSchedule
from genretune.tune.training.lr_schedulers import LR_SCHEDULERS, PER_BATCH, resolve_lr_scheduler

EPOCHS, BATCHES = 12, 3
REFERENCE = json.loads((Path(__file__).parent / "lr_reference.json").read_text())
ARGUMENTS: dict[str, dict[str, Any]] = {
    "StepLR": {"step_size": 3},
    "MultiStepLR": {"milestones": [2, 5], "gamma": 0.5},
    "ExponentialLR": {"gamma": 0.9},
    "PolynomialLR": {"power": 2.0},
    "CosineAnnealingWarmRestarts": {"T_0": 2, "T_mult": 2},
    "ReduceLROnPlateau": {"patience": 1, "factor": 0.5},
    "OneCycleLR": {"max_lr": 0.1},
    "CyclicLR": {"base_lr": 0.001, "max_lr": 0.1, "step_size_up": 5},
}
# An omitted length means the whole trial.
LENGTHS = {
    "ConstantLR": {"total_iters": EPOCHS},
    "LinearLR": {"total_iters": EPOCHS, "start_factor": 1.0, "end_factor": 0.1},
    "PolynomialLR": {"total_iters": EPOCHS},
    "CosineAnnealingLR": {"T_max": EPOCHS},
    "OneCycleLR": {"total_steps": EPOCHS * BATCHES},
}


def make_sgd(lr: float = 0.001) -> Optimizer:
    return SGD([nn.Parameter(torch.zeros(1))], lr=lr, momentum=0.9)


def history(epochs: int) -> list[dict[str, Any]]:
    losses = [1.0, 0.9, 0.95, 0.94, 0.93, 0.8, 0.81, 0.82, 0.83, 0.84, 0.85, 0.86]
    return [{"val_loss": loss} for loss in losses[:epochs]]


def curve(schedule: LrSchedule, sgd: Optimizer, records: list[dict[str, Any]]) -> list[Any]:
    """Return learning rate and momentum before every batch."""
    points = []
    for record in records:
        for _ in range(BATCHES):
            points.append((schedule.lr, sgd.param_groups[0]["momentum"]))
            sgd.step()
            schedule.after_batch()
        schedule.after_epoch(record)
    return points


def build(config: dict[str, Any]) -> tuple[LrSchedule, Optimizer]:
    sgd = make_sgd()
    return LrSchedule(config, sgd, steps_per_epoch=BATCHES, epochs=EPOCHS), sgd


@pytest.mark.parametrize("name", LR_SCHEDULERS)
def test_curves_equal_those_of_torch(name: str) -> None:
    arguments = ARGUMENTS.get(name, {})
    config = resolve_lr_scheduler({"name": name, **arguments}, epochs=EPOCHS)
    actual = curve(*build(config), history(EPOCHS))
    sgd = make_sgd()
    reference = vars(lr_scheduler)[name](sgd, **{**arguments, **LENGTHS.get(name, {})})
    expected = []
    for record in history(EPOCHS):
        for _ in range(BATCHES):
            expected.append((sgd.param_groups[0]["lr"], sgd.param_groups[0]["momentum"]))
            sgd.step()
            if name in PER_BATCH:
                reference.step()
        if name == "ReduceLROnPlateau":
            reference.step(record["val_loss"])
        elif name not in PER_BATCH:
            reference.step()
    assert actual == expected


@pytest.mark.parametrize("epoch", [1, 5, EPOCHS - 1])
@pytest.mark.parametrize("name", [*LR_SCHEDULERS, "warm-up", "nothing"])
def test_a_curve_continues_equally_after_a_restart(name: str, epoch: int) -> None:
    settings: dict[str, Any] = {"name": name, **ARGUMENTS.get(name, {})}
    if name == "warm-up":
        settings = {"name": "CosineAnnealingLR", "warmup_epochs": 3}
    elif name == "nothing":
        settings = {"name": None}
    config = resolve_lr_scheduler(settings, epochs=EPOCHS)
    straight = curve(*build(config), history(EPOCHS))
    schedule, sgd = build(config)
    schedule.fast_forward(history(epoch))
    assert curve(schedule, sgd, history(EPOCHS)[epoch:]) == straight[epoch * BATCHES :]


@pytest.mark.parametrize("name", REFERENCE)
def test_curves_equal_those_of_the_reference(name: str) -> None:
    expected = REFERENCE[name]
    sgd = make_sgd()
    settings = {"name": name, **expected["kwargs"]}
    config = resolve_lr_scheduler(settings, epochs=50)
    schedule = LrSchedule(config, sgd, steps_per_epoch=1, epochs=50)
    rates = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the optimizer takes no steps here
        for _ in range(51):
            rates.append(schedule.lr)
            if len(rates) < 51:
                schedule.after_batch()
                schedule.after_epoch({})
    assert rates[:5] == expected["lr_first5"]
    assert [rates[step] for step in (10, 25, 49, 50)] == expected["lr_after_10_25_49_50"]


def test_the_warm_up_is_linear_and_precedes_the_schedule() -> None:
    settings = {"name": "LinearLR", "warmup_epochs": 2, "warmup_factor": 0.5, "end_factor": 0.5}
    config = resolve_lr_scheduler(settings, epochs=4)
    assert config["total_iters"] == 2
    sgd = make_sgd(1.0)
    schedule = LrSchedule(config, sgd, steps_per_epoch=1, epochs=4)
    rates = []
    for _ in range(4):
        rates.append(schedule.lr)
        sgd.step()
        schedule.after_epoch({})
    assert rates == [0.5, 0.75, 1.0, 0.75]


def test_an_unsuitable_optimizer_or_length_is_refused() -> None:
    config = resolve_lr_scheduler({"name": "OneCycleLR", "max_lr": 0.1}, epochs=2)
    adagrad = Adagrad([nn.Parameter(torch.zeros(1))])
    with pytest.raises(TuneError, match="lr_scheduler: OneCycleLR on Adagrad: .*momentum"):
        LrSchedule(config, adagrad, steps_per_epoch=2, epochs=2)
    config["total_steps"] = 3
    with pytest.raises(TuneError, match="at least the trial's 4 batches, got 3"):
        LrSchedule(config, make_sgd(), steps_per_epoch=2, epochs=2)


def test_a_length_that_was_never_resolved_is_an_error() -> None:
    config = resolve_lr_scheduler({"name": "LinearLR"}, epochs=2) | {"total_iters": None}
    with pytest.raises(TuneError, match=r"lr_scheduler\.total_iters: must be a number .* got null"):
        LrSchedule(config, make_sgd(), steps_per_epoch=2, epochs=2)
