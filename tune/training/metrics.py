"""Metrics of an epoch: their computation, the best epoch, and epochs without improvement.

A clip's prediction is the mean of its windows' log-probabilities. The names of the metrics are
those of the columns of ``metrics.tsv``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from genretune.tune.metric_names import METRICS, Mode, score
from genretune.tune.training.config import FIRST_RULES, RULES

COLUMNS = ("epoch", *METRICS, "lr", "seconds", "weights_sha256")
"""Columns of ``metrics.tsv``, the first five as in the reference; ``epoch`` counts from 1."""


@dataclass(frozen=True)
class Scores:
    """Loss, accuracy and macro F1 over windows and over clips, and what the clips are taken for.

    Attributes:
        clip_confusion: rows are true classes, columns predicted ones.
        clip_classes: predicted class of each clip, in the order of their indices.
    """

    loss: float
    acc: float
    clip_loss: float
    clip_accuracy: float
    macro_f1: float
    clip_macro_f1: float
    clip_confusion: list[list[int]]
    clip_classes: tuple[int, ...]


@dataclass(frozen=True)
class Mixed:
    """What the windows of a training pass were mixed with.

    Attributes:
        target: class of each window's partner, int64 [N].
        share: of the window itself, float32 [N]; the partner has the rest.
    """

    target: Tensor
    share: Tensor


def compute_scores(
    logits: Tensor,
    target: Tensor,
    clip: Tensor,
    *,
    loss: float,
    mixed: Mixed | None = None,
    rules: int = RULES,
) -> Scores:
    """Return the scores of windows and of the clips that they belong to.

    A clip's scores are the mean of its windows' log-probabilities. Their softmax is what
    ``predict`` outputs, and the clip's loss is that of this prediction.

    Args:
        logits: [N, C], float32, on the CPU.
        target: class of each window, int64 [N].
        clip: clip of each window, int64 [N]; every clip has one class.
        loss: the training loss over the windows, with its own weights.
        mixed: with mixup: a window counts as right by its share if it is predicted as its own class
            and by the rest if as its partner's; in its clip's mean it weighs its share.
        rules: of ``TrialConfig``.
    """
    if rules == FIRST_RULES:
        mixed = None
    log_probability = torch.log_softmax(logits.to(torch.float64), dim=1)
    _, position = torch.unique(clip, return_inverse=True)
    clips = int(position.max()) + 1
    weight = torch.ones(len(clip), dtype=torch.float64)
    if mixed is not None:
        # a window that is all its partner's must not leave its clip without a mean
        weight = mixed.share.to(torch.float64).clamp(min=1e-6)
    clip_scores = fuse(log_probability, position, weight, clips)
    clip_target = torch.zeros(clips, dtype=torch.int64).scatter_(0, position, target)
    predicted = log_probability.argmax(1)
    windows = confusion(predicted, target, logits.shape[1])
    clip_predicted = clip_scores.argmax(1)
    by_clip = confusion(clip_predicted, clip_target, logits.shape[1])
    fused = clip_scores if rules == FIRST_RULES else torch.log_softmax(clip_scores, dim=1)
    return Scores(
        loss=loss,
        acc=accuracy(windows) if mixed is None else _mixed_accuracy(predicted, target, mixed),
        clip_loss=float(-fused.gather(1, clip_target[:, None]).mean()),
        clip_accuracy=accuracy(by_clip),
        macro_f1=macro_f1(windows),
        clip_macro_f1=macro_f1(by_clip),
        clip_confusion=by_clip.tolist(),
        clip_classes=tuple(clip_predicted.tolist()),
    )


def confusion(predicted: Tensor, target: Tensor, classes: int) -> Tensor:
    """Return the confusion matrix, int64 [C, C]: rows are true classes, columns predicted ones."""
    flat = torch.bincount(target * classes + predicted, minlength=classes * classes)
    return flat.reshape(classes, classes)


def accuracy(counts: Tensor) -> float:
    """Return the accuracy of a confusion matrix."""
    return int(counts.diagonal().sum()) / int(counts.sum())


def fuse(log_probability: Tensor, position: Tensor, weight: Tensor, clips: int) -> Tensor:
    """Return the scores of clips, float64 [clips, C]: weighted means of their windows'.

    Windows are added one by one in the order given, so a clip's scores have the same bits among
    others and alone.

    Args:
        log_probability: float64 [N, C].
        position: of each window's clip, int64 [N].
        weight: of each window, float64 [N].
    """
    count = torch.zeros(clips, dtype=torch.float64).index_add_(0, position, weight)
    total = torch.zeros(clips, log_probability.shape[1], dtype=torch.float64)
    total.index_add_(0, position, log_probability * weight[:, None])
    return total / count[:, None]


def _mixed_accuracy(predicted: Tensor, target: Tensor, mixed: Mixed) -> float:
    share = mixed.share.to(torch.float64)
    right = share * (predicted == target) + (1.0 - share) * (predicted == mixed.target)
    return float(right.mean())


def macro_f1(counts: Tensor) -> float:
    """Return the mean F1 of a confusion matrix, over the classes that occur or are predicted.

    The F1 of a class that does neither is 0/0, so it is left out of the mean.
    """
    totals: list[int] = (counts.sum(0) + counts.sum(1)).tolist()  # 2 TP + FP + FN
    scores = [2 * int(counts[k, k]) / total for k, total in enumerate(totals) if total]
    return sum(scores) / len(scores)


def better(value: float, best: float | None, mode: Mode, *, min_delta: float = 0.0) -> bool:
    """Return whether ``value`` improves on ``best`` by more than ``min_delta``.

    Args:
        best: None before the first epoch; every value improves on it.
    """
    return best is None or score(value, mode) < score(best, mode) - min_delta


def best_epoch(history: Sequence[Mapping[str, Any]], metric: str) -> int:
    """Return the first epoch (from 1) with the best value of ``metric``; 0 if there is none."""
    best: float | None = None
    epoch = 0
    for record in history:
        if better(record[metric], best, METRICS[metric]):
            best, epoch = record[metric], record["epoch"]
    return int(epoch)


def epochs_without_improvement(
    history: Sequence[Mapping[str, Any]], metric: str, min_delta: float
) -> int:
    """Return the number of epochs since ``metric`` last improved by more than ``min_delta``."""
    best: float | None = None
    count = 0
    for record in history:
        if better(record[metric], best, METRICS[metric], min_delta=min_delta):
            best, count = record[metric], 0
        else:
            count += 1
    return count
