"""Resolution of a trial's settings: automatic values and settings that are refused."""

from collections.abc import Callable
from typing import Any

import pytest

from genretune.tune.errors import TuneError
from genretune.tune.training.resolve_config import trial_config

Tiny = Callable[..., dict[str, Any]]


def test_automatic_micro_batches_need_a_network_without_batch_normalisation(tiny: Tiny) -> None:
    auto = {"micro_batch_size": "auto", "batch_size": 64, "device": "cpu"}
    assert trial_config(tiny(**auto)).micro_batch_size == 8
    assert trial_config(tiny(**auto, model={"name": "resnet18"})).micro_batch_size is None
    assert trial_config(tiny(**auto | {"batch_size": 8})).micro_batch_size is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optimizer": {"name": "SGD", "nesterov": True}}, "optimizer: SGD: Nesterov"),
        (
            {
                "optimizer": {"name": "Adagrad"},
                "lr_scheduler": {"name": "OneCycleLR", "max_lr": 0.1},
            },
            "lr_scheduler: OneCycleLR on Adagrad",
        ),
        ({"best": {"metric": "val_accuracy"}}, "best.metric: .*did you mean 'val_clip_accuracy'"),
        ({"epoch": 3}, r"epoch: unknown key \(did you mean 'epochs'\?\)"),
        ({"precision": "tf32", "device": "cpu"}, "precision: tf32 needs device cuda, got cpu"),
        ({"model": "cnn"}, "model: must be a mapping with a name, got 'cnn'"),
    ],
)
def test_invalid_settings_are_reported_by_key(
    tiny: Tiny, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(TuneError, match=message):
        trial_config(tiny(**changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"threads": 2}, "threads 1 and precision fp32, got cpu, 2, fp32"),
        ({"precision": "bf16"}, "threads 1 and precision fp32, got cpu, 1, bf16"),
        ({"optimizer": {"name": "RMSprop"}}, "supports Adam, AdamW and SGD only, got RMSprop"),
    ],
)
def test_portable_refuses_settings_without_portable_results(
    tiny: Tiny, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(TuneError, match=f"determinism: portable .*{message}"):
        trial_config(tiny(determinism="portable", device="cpu", **changes))
