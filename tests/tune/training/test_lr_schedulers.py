"""Arguments of lr schedulers: defaults that depend on the trial, and invalid ones."""

from typing import Any

import pytest

from genretune.models.errors import ModelError
from genretune.tune.errors import TuneError
from genretune.tune.training.lr_schedulers import resolve_lr_scheduler


@pytest.mark.parametrize(
    ("settings", "key", "epochs"),
    [
        ({"name": "LinearLR"}, "total_iters", 12),
        ({"name": "CosineAnnealingLR", "warmup_epochs": 3}, "T_max", 9),
        ({"name": "CosineAnnealingLR", "T_max": 5, "warmup_epochs": 3}, "T_max", 5),
        ({"name": "OneCycleLR", "max_lr": 0.1}, "total_steps", None),
    ],
)
def test_an_omitted_length_is_the_rest_of_the_trial_after_the_warm_up(
    settings: dict[str, Any], key: str, epochs: int | None
) -> None:
    assert resolve_lr_scheduler(settings, epochs=12)[key] == epochs


def test_resolving_a_resolved_lr_scheduler_changes_nothing() -> None:
    once = resolve_lr_scheduler({"name": "PolynomialLR", "warmup_epochs": 2}, epochs=12)
    assert resolve_lr_scheduler(once, epochs=12) == once


def test_the_mode_of_a_plateau_defaults_to_the_direction_of_its_metric() -> None:
    config = resolve_lr_scheduler({"name": "ReduceLROnPlateau", "metric": "val_acc"}, epochs=3)
    assert config["mode"] == "max"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "StepLR"}, "lr_scheduler.step_size"),
        ({"name": "LinearLr"}, "did you mean 'LinearLR'"),
        ({"name": "ReduceLROnPlateau", "metric": "val_los"}, "did you mean 'val_loss'"),
        ({"name": None, "gamma": 0.1}, "lr_scheduler.gamma: a null lr scheduler takes no"),
        ({"name": "OneCycleLR", "max_lr": 0.1, "warmup_epochs": 1}, "takes no warm-up, got 1"),
        ({"name": None, "warmup_epochs": 12}, "must be below the trial's 12 epochs, got 12"),
    ],
)
def test_invalid_arguments_are_reported_by_name(settings: dict[str, Any], message: str) -> None:
    with pytest.raises((ModelError, TuneError), match=message):
        resolve_lr_scheduler(settings, epochs=12)
