"""What is measured each epoch, and in which direction it is better.

The names are the columns of ``metrics.tsv``; a clip's prediction is the mean of its windows'
log-probabilities.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from genretune.tune.metric_names import METRICS, Mode

# The reference's five columns come first; `epoch` counts from 1.
COLUMNS = ("epoch", *METRICS, "lr", "seconds", "weights_sha256")


@dataclass(frozen=True)
class Scores:
    """Loss, accuracy and macro F1, by window and by clip, and the confusion of clips."""

    loss: float
    acc: float
    clip_loss: float
    clip_accuracy: float
    macro_f1: float
    clip_macro_f1: float
    clip_confusion: list[list[int]]


def score(logits: Tensor, target: Tensor, clip: Tensor, *, loss: float) -> Scores:
    """Scores of windows and of the clips they belong to.

    Args:
        logits: [N, C], float32, on the CPU.
        target: class of each window, int64 [N].
        clip: clip of each window, int64 [N]; every clip has one class.
        loss: the training loss over the windows, as its own function weighs them.
    """
    log_probability = torch.log_softmax(logits.to(torch.float64), dim=1)
    _, position = torch.unique(clip, return_inverse=True)
    clips = int(position.max()) + 1
    count = torch.zeros(clips, dtype=torch.float64).index_add_(
        0, position, torch.ones(len(clip), dtype=torch.float64)
    )
    fused = torch.zeros(clips, logits.shape[1], dtype=torch.float64)
    fused = fused.index_add_(0, position, log_probability) / count[:, None]
    clip_target = torch.zeros(clips, dtype=torch.int64).scatter_(0, position, target)
    windows = confusion(log_probability.argmax(1), target, logits.shape[1])
    by_clip = confusion(fused.argmax(1), clip_target, logits.shape[1])
    return Scores(
        loss=loss,
        acc=accuracy(windows),
        clip_loss=float(-fused.gather(1, clip_target[:, None]).mean()),
        clip_accuracy=accuracy(by_clip),
        macro_f1=macro_f1(windows),
        clip_macro_f1=macro_f1(by_clip),
        clip_confusion=by_clip.tolist(),
    )


def confusion(predicted: Tensor, target: Tensor, classes: int) -> Tensor:
    """Counts, int64 [C, C]: row = true class, column = predicted class."""
    flat = torch.bincount(target * classes + predicted, minlength=classes * classes)
    return flat.reshape(classes, classes)


def accuracy(counts: Tensor) -> float:
    return int(counts.diagonal().sum()) / int(counts.sum())


def macro_f1(counts: Tensor) -> float:
    """Mean F1 over the classes that occur or are predicted (a class in neither does not count)."""
    both: list[int] = (counts.sum(0) + counts.sum(1)).tolist()
    scores = [2 * int(counts[k, k]) / total for k, total in enumerate(both) if total]
    return sum(scores) / len(scores)


def better(value: float, than: float | None, mode: Mode, *, by: float = 0.0) -> bool:
    """Whether ``value`` improves on ``than`` by more than ``by``; anything improves on nothing."""
    if than is None:
        return True
    return value > than + by if mode == "max" else value < than - by


def best_epoch(history: Sequence[Mapping[str, Any]], metric: str) -> int:
    """The first epoch (from 1) with the best value of ``metric``; 0 for an empty history."""
    best: float | None = None
    found = 0
    for record in history:
        if better(record[metric], best, METRICS[metric]):
            best, found = record[metric], record["epoch"]
    return int(found)


def epochs_without_improvement(
    history: Sequence[Mapping[str, Any]], metric: str, min_delta: float
) -> int:
    """Epochs at the end of ``history`` that did not improve on the best before by ``min_delta``."""
    best: float | None = None
    waited = 0
    for record in history:
        if better(record[metric], best, METRICS[metric], by=min_delta):
            best, waited = record[metric], 0
        else:
            waited += 1
    return waited
