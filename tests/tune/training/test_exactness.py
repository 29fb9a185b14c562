"""Equality to the bit: with and without interruption for all pairs of components, and under load.

The cases are an orthogonal array: every optimizer is combined with every kind of lr scheduler,
every augmentation and every family of models, and these with each other.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from genretune.data.store import Store
from genretune.tune.training.config import TrialConfig
from genretune.tune.training.optimizers import OPTIMIZERS
from genretune.tune.training.resolve_config import trial_config
from genretune.tune.training.snapshot import Checkpoint
from genretune.tune.training.train import Outcome, train
from genretune.tune.trial.checkpoint_file import load_checkpoint, save_checkpoint

Tiny = Callable[..., dict[str, Any]]

PER_EPOCH: list[dict[str, Any]] = [
    {"name": "StepLR", "step_size": 1},
    {"name": "MultiStepLR", "milestones": [1]},
    {"name": "ConstantLR"},
    {"name": "LinearLR"},
    {"name": "ExponentialLR", "gamma": 0.5},
    {"name": "PolynomialLR"},
    {"name": "CosineAnnealingLR"},
    {"name": "CosineAnnealingWarmRestarts", "T_0": 1, "T_mult": 2},
]
PER_BATCH: list[dict[str, Any]] = [
    {"name": "OneCycleLR", "cycle_momentum": False},
    {"name": "CyclicLR", "base_lr": 1e-4, "step_size_up": 2},
]
SCHEDULES = ("nothing", "per epoch", "per batch", "plateau", "warm-up")
AUGMENTS: list[dict[str, Any]] = [
    {},
    {"mixup": {}},
    {"noise": {}},
    {"gain": {}, "specaugment": {}},
    {"mixup": {}, "gain": {}, "noise": {}, "specaugment": {"fill": "mean"}},
]
MODELS: list[dict[str, Any]] = [
    {"name": "cnn", "filters": [4, 6], "reduction": 2, "dropout": 0.25},
    {"name": "cnn", "filters": [4, 6], "reduction": None, "dropout": 0.3, "pool": "gap"},
    {"name": "lcnn4"},
    {"name": "lcnn_stc", "reduction": 4},
    {"name": "resnet18", "reduction": 16},
]
LOSSES: list[dict[str, Any]] = [
    {"name": "CrossEntropyLoss"},
    {"name": "MultiMarginLoss"},
    {"name": "CrossEntropyLoss", "label_smoothing": 0.1, "class_weights": "balanced"},
]
CASES = [
    (optimizer, kind, (o + k) % 5, (o + 2 * k) % 5)
    for o, optimizer in enumerate(OPTIMIZERS)
    for k, kind in enumerate(SCHEDULES)
]


def schedule(kind: str, case: int, momentum: bool) -> dict[str, Any]:
    match kind:
        case "nothing":
            return {"name": None}
        case "per epoch":
            return PER_EPOCH[case % len(PER_EPOCH)]
        case "per batch":
            return PER_BATCH[case % len(PER_BATCH)] | {"cycle_momentum": momentum}
        case "plateau":
            return {"name": "ReduceLROnPlateau", "patience": 0, "threshold": 0.5}
        case _:
            return {"name": "CosineAnnealingLR", "warmup_epochs": 1}


def settings(tiny: Tiny, case: int) -> dict[str, Any]:
    optimizer, kind, augment, model = CASES[case]
    batch_norm = MODELS[model]["name"] in ("lcnn_stc", "resnet18")
    chosen = tiny(
        epochs=3,
        batch_size=8,
        micro_batch_size=None if batch_norm or case % 2 else 3,
        precision="bf16" if case % 7 == 3 else "fp32",
        clip_grad_norm=1.0 if case % 3 == 1 else None,
        optimizer={"name": optimizer, "lr": 0.003},
        lr_scheduler=schedule(kind, case, optimizer in ("Adam", "AdamW", "NAdam", "RAdam")),
        augment=AUGMENTS[augment],
        model=MODELS[model],
        loss=LOSSES[case % len(LOSSES)],
    )
    window = {"seconds": 1.0, "clip_seconds": 1.0, "random_offset": case % 4 == 2}
    return chosen | {"data": chosen["data"] | {"window": window}}


def values(outcome: Outcome) -> list[dict[str, Any]]:
    return [{k: v for k, v in record.items() if k != "seconds"} for record in outcome.history]


def test_the_cases_cover_all_pairs() -> None:
    sizes = [len(set(column)) for column in zip(*CASES, strict=True)]
    assert sizes == [12, 5, 5, 5]
    for one, other in combinations(range(4), 2):
        assert len({(case[one], case[other]) for case in CASES}) == sizes[one] * sizes[other]


@pytest.mark.parametrize("case", range(len(CASES)))
def test_an_interrupted_trial_equals_an_uninterrupted_one(
    store: Store, tiny: Tiny, case: int, tmp_path: Path
) -> None:
    config = trial_config(settings(tiny, case)).model_copy(update={"epochs": 2})
    path = tmp_path / "00001.safetensors"

    def save(checkpoint: Checkpoint) -> bool:
        if checkpoint.epoch == 1:
            save_checkpoint(checkpoint, path, mark="test")
        return True

    uninterrupted = train(config, store, on_epoch=save)
    assert uninterrupted.status == "completed"
    rest = train(config, store, resume_from=load_checkpoint(path))
    assert values(rest) == values(uninterrupted)


def test_a_trial_can_be_resumed_from_every_epoch(store: Store, tiny: Tiny) -> None:
    config = trial_config(tiny(epochs=5, lr_scheduler={"name": "OneCycleLR", "max_lr": 0.01}))
    checkpoints: list[Checkpoint] = []

    def save(checkpoint: Checkpoint) -> bool:
        checkpoints.append(checkpoint)
        return True

    uninterrupted = train(config, store, on_epoch=save)
    for checkpoint in checkpoints:
        assert values(train(config, store, resume_from=checkpoint)) == values(uninterrupted)


CHILD = """
import json, sys
from genretune.data.store import find_store
from genretune.tune.training.resolve_config import trial_config
from genretune.tune.training.train import train
settings = json.loads(sys.argv[1])
store = find_store(settings["data"]["samples"])
outcome = train(trial_config(settings), store)
print(json.dumps([record["weights_sha256"] for record in outcome.history]))
"""
BUSY = "while True: sum(range(100000))"


def test_new_processes_under_load_equal_a_reused_process(store: Store, tiny: Tiny) -> None:
    config: TrialConfig = trial_config(tiny(epochs=2, augment={"noise": {}, "specaugment": {}}))
    command = [sys.executable, "-c", CHILD, config.canonical()]
    busy = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(2)]
    try:
        fresh = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(2)]
        digests = [json.loads(process.communicate()[0]) for process in fresh]
    finally:
        for process in busy:
            process.kill()
            process.wait()
    train(trial_config(tiny(epochs=1, precision="bf16", model={"name": "lcnn4"})), store)
    reused = [record["weights_sha256"] for record in train(config, store).history]
    assert digests == [reused, reused]
