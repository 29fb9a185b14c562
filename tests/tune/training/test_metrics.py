"""Scores against figures worked out by hand, best epochs and patience."""

import math
from typing import Any

import pytest
import torch

from genretune.tune.metric_names import METRICS
from genretune.tune.training.metrics import (
    COLUMNS,
    best_epoch,
    confusion,
    epochs_without_improvement,
    macro_f1,
    score,
)


def logits(*probabilities: tuple[float, float]) -> torch.Tensor:
    return torch.tensor(probabilities, dtype=torch.float64).log().float()


def test_windows_and_clips_by_hand() -> None:
    # Clip 7 (class 0): right by a little, wrong by a lot. Clip 9 (class 1): right both times.
    found = score(
        logits((0.6, 0.4), (0.1, 0.9), (0.2, 0.8), (0.4, 0.6)),
        torch.tensor([0, 0, 1, 1]),
        torch.tensor([7, 7, 9, 9]),
        loss=0.25,
    )
    assert found.loss == 0.25
    assert found.acc == 0.75
    assert found.clip_accuracy == 0.5
    assert found.clip_confusion == [[0, 1], [0, 1]]
    by_hand = -(0.5 * (math.log(0.6) + math.log(0.1)) + 0.5 * (math.log(0.8) + math.log(0.6))) / 2
    assert found.clip_loss == pytest.approx(by_hand, rel=1e-6)
    # windows: class 0 has 1 of 2 found and none wrong; class 1 both found and one too many
    assert found.macro_f1 == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert found.clip_macro_f1 == pytest.approx((0.0 + 2 / 3) / 2)


def test_clips_of_many_windows_weigh_no_more_than_others() -> None:
    many = [(0.9, 0.1)] * 9
    found = score(
        logits(*many, (0.9, 0.1)),
        torch.tensor([0] * 9 + [1]),
        torch.tensor([0] * 9 + [1]),
        loss=0.0,
    )
    assert (found.acc, found.clip_accuracy) == (0.9, 0.5)


def test_confusion_has_true_classes_in_rows() -> None:
    counts = confusion(torch.tensor([1, 1, 2, 0]), torch.tensor([0, 0, 2, 2]), 3)
    assert counts.tolist() == [[0, 2, 0], [0, 0, 0], [1, 0, 1]]


def test_a_class_that_is_nowhere_does_not_count_in_macro_f1() -> None:
    assert macro_f1(torch.tensor([[2, 0, 0], [0, 1, 0], [0, 0, 0]])) == 1.0
    assert macro_f1(torch.tensor([[2, 0, 0], [0, 0, 1], [0, 0, 0]])) == pytest.approx(1 / 3)


def test_the_references_columns_come_first() -> None:
    assert COLUMNS[:5] == ("epoch", "trn_loss", "val_loss", "trn_acc", "val_acc")
    assert set(METRICS) <= set(COLUMNS)


def history(**columns: list[float]) -> list[dict[str, Any]]:
    rows = zip(*columns.values(), strict=True)
    return [{"epoch": k, **dict(zip(columns, row, strict=True))} for k, row in enumerate(rows, 1)]


def test_the_best_epoch_is_the_first_of_equals_in_the_metrics_direction() -> None:
    records = history(val_loss=[0.9, 0.5, 0.5, 0.7], val_acc=[0.1, 0.3, 0.2, 0.3])
    assert best_epoch(records, "val_loss") == 2
    assert best_epoch(records, "val_acc") == 2
    assert best_epoch([], "val_acc") == 0


def test_accuracy_can_be_best_while_the_loss_does_not_improve() -> None:
    records = history(val_loss=[0.5, 0.6, 0.7], val_acc=[0.1, 0.2, 0.3])
    assert best_epoch(records, "val_acc") == 3
    assert epochs_without_improvement(records, "val_loss", 0.0) == 2
    assert epochs_without_improvement(records, "val_acc", 0.0) == 0


def test_patience_counts_from_the_last_real_improvement() -> None:
    records = history(val_loss=[1.0, 0.95, 0.91, 0.85])
    assert epochs_without_improvement(records, "val_loss", 0.0) == 0
    assert epochs_without_improvement(records, "val_loss", 0.1) == 0
    assert epochs_without_improvement(records[:3], "val_loss", 0.1) == 2
