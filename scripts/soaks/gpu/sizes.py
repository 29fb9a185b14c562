"""Sizes of the trials of the soak test, and their settings."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from genretune.scripts.soaks.gpu.tones import RATE, Tones

CLASSES = 4
STEPS = 3
"""Batches of an epoch."""


@dataclass(frozen=True)
class Size:
    """How large trials are.

    Attributes:
        batch: windows of a batch; a multiple of the classes.
        seconds: of a window.
        feature: of a trial, if a check names no other.
        cnn: the network of the paper, or a small one.
        networks: models to check; None for all.
    """

    batch: int
    seconds: float
    feature: Mapping[str, Any]
    cnn: Mapping[str, Any] = field(default_factory=lambda: {"name": "cnn", "reduction": 8})
    networks: tuple[str, ...] | None = None


SIZES = {
    "full": Size(batch=32, seconds=3.0, feature={"name": "melspec", "n_mels": 128}),
    "tiny": Size(
        batch=4,
        seconds=0.5,
        feature={"name": "melspec", "n_mels": 32, "n_fft": 512, "hop": 256},
        cnn={"name": "cnn", "filters": [4, 6, 8], "reduction": 2, "dropout": 0.25, "pool": "gap"},
        networks=("cnn", "resnet18", "lcnn4", "lcnn_stc"),
    ),
}


@functools.cache
def tones(size: str) -> Tones:
    """Return a corpus whose training windows are ``STEPS`` batches."""
    chosen = SIZES[size]
    length = STEPS * round(chosen.seconds * RATE)
    return Tones(classes=CLASSES, clips=chosen.batch // CLASSES + 1, length=length)


def settings(size: str, device: str, **changes: Any) -> dict[str, Any]:
    """Return the settings of a trial of one epoch; keywords replace keys, ``window`` adds some."""
    chosen, corpus = SIZES[size], tones(size)
    window = {"seconds": chosen.seconds, "overlap": 0.0, **changes.pop("window", {})}
    return {
        "seed": 7,
        "epochs": 1,
        "device": device,
        "batch_size": chosen.batch,
        "micro_batch_size": "auto",
        "eval_batch_size": "auto",
        "data": {
            "samples": corpus.samples_digest,
            "split": {"name": "file", "folds": 1, "members": corpus.members},
            "window": window,
        },
        "feature": dict(chosen.feature),
        "model": dict(chosen.cnn),
    } | changes
