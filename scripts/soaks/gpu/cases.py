"""The trials that the soak test runs twice: what they change in the settings, by name of a check.

No GPU is touched here: the parts ask for names, their processes for settings.
"""

from collections.abc import Iterator
from typing import Any

from genretune.models.build import AUGMENTATIONS, FEATURES, MODELS
from genretune.scripts.soaks.gpu.sizes import SIZES
from genretune.tune.reproducibility.literals import Precision
from genretune.tune.training.losses import LOSSES
from genretune.tune.training.optimizers import OPTIMIZERS

Changes = dict[str, Any]

PRECISIONS: tuple[Precision, ...] = ("fp32", "tf32", "bf16")
AUGMENT: Changes = {name: {} for name in AUGMENTATIONS}
PAPER: Changes = {"model": {"name": "cnn"}, "feature": {"name": "powerspec"}}


def network_cases(size: str, device: str) -> dict[str, Changes]:
    """Return every model in every precision, and the paper's network at the paper's size."""
    networks: dict[str, Changes] = {
        # so that SE and dropout take part; the input is that of SIZES
        name: {"model": {"name": name, "reduction": 8, "fc_dropout": 0.5}}
        for name in SIZES[size].networks or MODELS
    }
    if size == "full":
        networks = {"paper's cnn": PAPER, **networks}
    return {
        f"{name} {precision}": changes | {"precision": precision}
        for name, changes in networks.items()
        for precision in PRECISIONS
        if device == "cuda" or precision != "tf32"
    }


def component_cases(size: str, device: str) -> dict[str, Changes]:
    """Return every feature, augmentation, loss and optimizer, and what else changes a step."""
    return dict(_component_cases(size))


def _component_cases(size: str) -> Iterator[tuple[str, Changes]]:
    chosen = SIZES[size]
    for name in FEATURES:
        for normalize in (None, "window", "statistics"):
            feature: dict[str, Any] = {"name": name, "normalize": normalize}
            if size == "tiny":
                feature |= {"n_fft": 512, "hop": 256} | _FEW_BINS.get(name, {})
            yield f"feature {name}, normalize {normalize}", {"feature": feature}
    for name in AUGMENTATIONS:
        yield f"augment {name}", {"augment": {name: {}}}
    yield "augment specaugment, zero", {"augment": {"specaugment": {"fill": "zero"}}}
    yield "augment all, micro-batches", {"augment": AUGMENT, "micro_batch_size": chosen.batch // 2}
    yield "random offset", {"window": {"random_offset": True}}
    for name in LOSSES:
        yield f"loss {name}", {"loss": {"name": name}}
        yield (
            f"loss {name}, class weights",
            {"loss": {"name": name, "class_weights": [1.0, 2.0, 3.0, 4.0]}},
        )
    smoothed = {"name": "CrossEntropyLoss", "label_smoothing": 0.1}
    yield "loss CrossEntropyLoss, smoothed", {"loss": smoothed}
    for name in OPTIMIZERS:
        yield f"optimizer {name}", {"optimizer": {"name": name}}
    yield "clipped gradients", {"clip_grad_norm": 1e-3}
    yield "contiguous", {"memory_format": "contiguous"}


_FEW_BINS: dict[str, Changes] = {
    "melspec": {"n_mels": 32},
    "mfcc": {"n_mels": 32, "n_mfcc": 20},
    "lfcc": {"n_filter": 32, "n_lfcc": 20},
    "imfcc": {"n_mels": 32, "n_imfcc": 20},
}

LONGER: dict[str, Changes] = {
    "cnn, all augmentations, lr per batch": {
        "augment": AUGMENT,
        "lr_scheduler": {"name": "OneCycleLR", "max_lr": 0.01},
        "window": {"random_offset": True},
    },
    "resnet18, bf16, momentum, statistics": {
        "model": {"name": "resnet18", "reduction": 8, "fc_dropout": 0.5},
        "precision": "bf16",
        "optimizer": {"name": "SGD", "lr": 0.01, "momentum": 0.9},
        "lr_scheduler": {"name": "CosineAnnealingLR"},
    },
}
"""Trials of four epochs."""

AFTER: Changes = {"augment": AUGMENT}
"""The trial that is trained after others in one process."""

BEFORE: dict[str, tuple[Changes, bool]] = {
    "resnet18 in bf16": ({"model": {"name": "resnet18"}, "precision": "bf16"}, True),
    "the same in another precision": (AFTER | {"precision": "tf32"}, True),
    "equal layers, another batch size": (AFTER | {"batch_size": 3}, True),
    "a plug-in's error": ({"model": {"name": "broken"}}, True),
    "level off": (AFTER | {"determinism": "off"}, False),
}
"""What is trained before it, and whether a difference is an error: a sweep has one level."""
