"""Trials with incompatible components are refused before anything is written."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from genretune.data.store import Store
from genretune.models.errors import ModelError
from genretune.tune.errors import TuneError
from genretune.tune.run.sweep_setup import new_sweep
from genretune.tune.space.load import space_from_text
from genretune.tune.training.preflight import check_components, windows_of_fold
from genretune.tune.training.resolve_config import trial_config

Tiny = Callable[..., dict[str, Any]]

INCOMPATIBLE: list[tuple[dict[str, Any], str]] = [
    (
        {"loss": {"name": "CrossEntropyLoss", "class_weights": [1.0, 2.0]}},
        r"loss\.class_weights: must have one weight per class \(10\), got 2",
    ),
    (
        {"lr_scheduler": {"name": "OneCycleLR", "max_lr": 0.1, "total_steps": 5}},
        r"lr_scheduler\.total_steps: must be null or at least the trial's 28 batches, got 5",
    ),
    (
        {"model": {"name": "resnet18"}, "batch_size": 99},
        "batch_size: must not leave a last batch of one window, .* got 99",
    ),
]


@pytest.mark.parametrize(("changes", "message"), INCOMPATIBLE)
def test_incompatible_components_are_reported_by_key(
    store: Store, tiny: Tiny, changes: dict[str, Any], message: str
) -> None:
    config = trial_config(tiny(**changes))
    with pytest.raises(TuneError, match=message):
        check_components(config, store, windows_of_fold(config, store))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"batch_size": 99},
        {"model": {"name": "resnet18"}, "batch_size": 98},
        {"model": {"name": "resnet18"}, "batch_size": 99, "feature": {"name": "powerspec"}},
    ],
)
def test_compatible_components_are_accepted(
    store: Store, tiny: Tiny, changes: dict[str, Any]
) -> None:
    config = trial_config(tiny(**changes))
    check_components(config, store, windows_of_fold(config, store))


def test_an_input_too_small_for_the_network_is_refused(store: Store, tiny: Tiny) -> None:
    model = {"name": "cnn", "filters": [4, 6, 8, 8, 8], "pool": "gap"}
    config = trial_config(tiny(model=model, feature={"name": "melspec", "n_mels": 8}))
    with pytest.raises(ModelError, match=r"^model"):
        check_components(config, store, windows_of_fold(config, store))


def test_a_sweep_is_refused_before_its_first_trial(corpus: Path, cache: Path) -> None:
    space = space_from_text(
        """\
version: 1
name: incompatible
seed: 1
trials: 2
metric: {name: val_loss, mode: min}
sampler: {type: random}
data: {split: {folds: 3}, window: {seconds: 0.5}}
trial:
  epochs: 2
  model: {name: cnn, filters: [4, 6, 8], pool: gap, reduction: 2}
  loss: {name: CrossEntropyLoss, class_weights: [1.0, 2.0]}
parameters:
  optimizer.lr: {distribution: loguniform, min: 1.0e-3, max: 3.0e-2}
""",
        "space.yaml",
        [],
    )
    with pytest.raises(
        TuneError, match=r"class_weights: must have one weight per class \(10\), got 2"
    ):
        new_sweep(space, corpus)
