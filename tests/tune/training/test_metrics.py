"""Scores compared with values calculated by hand, best epochs, patience."""

import math
from typing import Any

import pytest
import torch

from genretune.tune.metric_names import METRICS
from genretune.tune.training.metrics import (
    COLUMNS,
    best_epoch,
    better,
    compute_scores,
    confusion,
    epochs_without_improvement,
    macro_f1,
)


def logits(*probabilities: tuple[float, float]) -> torch.Tensor:
    return torch.tensor(probabilities, dtype=torch.float64).log().float()


def test_scores_of_windows_and_clips_equal_those_by_hand() -> None:
    # Clip 7 (class 0): one window narrowly right, one clearly wrong. Clip 9 (class 1): both right.
    scores = compute_scores(
        logits((0.6, 0.4), (0.1, 0.9), (0.2, 0.8), (0.4, 0.6)),
        torch.tensor([0, 0, 1, 1]),
        torch.tensor([7, 7, 9, 9]),
        loss=0.25,
    )
    assert scores.loss == 0.25
    assert scores.acc == 0.75
    assert scores.clip_accuracy == 0.5
    assert scores.clip_confusion == [[0, 1], [0, 1]]
    by_hand = -(0.5 * (math.log(0.6) + math.log(0.1)) + 0.5 * (math.log(0.8) + math.log(0.6))) / 2
    assert scores.clip_loss == pytest.approx(by_hand, rel=1e-6)
    # windows: class 0 has one true positive and one miss, class 1 two and one false positive
    assert scores.macro_f1 == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert scores.clip_macro_f1 == pytest.approx((0.0 + 2 / 3) / 2)


def test_clips_count_equally_whatever_their_number_of_windows() -> None:
    many = [(0.9, 0.1)] * 9
    scores = compute_scores(
        logits(*many, (0.9, 0.1)),
        torch.tensor([0] * 9 + [1]),
        torch.tensor([0] * 9 + [1]),
        loss=0.0,
    )
    assert (scores.acc, scores.clip_accuracy) == (0.9, 0.5)


def test_rows_of_the_confusion_matrix_are_true_classes() -> None:
    counts = confusion(torch.tensor([1, 1, 2, 0]), torch.tensor([0, 0, 2, 2]), 3)
    assert counts.tolist() == [[0, 2, 0], [0, 0, 0], [1, 0, 1]]


def test_macro_f1_omits_classes_that_neither_occur_nor_are_predicted() -> None:
    assert macro_f1(torch.tensor([[2, 0, 0], [0, 1, 0], [0, 0, 0]])) == 1.0
    assert macro_f1(torch.tensor([[2, 0, 0], [0, 0, 1], [0, 0, 0]])) == pytest.approx(1 / 3)


def test_the_columns_of_the_reference_come_first() -> None:
    assert COLUMNS[:5] == ("epoch", "trn_loss", "val_loss", "trn_acc", "val_acc")
    assert set(METRICS) <= set(COLUMNS)


def history(**columns: list[float]) -> list[dict[str, Any]]:
    rows = zip(*columns.values(), strict=True)
    return [{"epoch": k, **dict(zip(columns, row, strict=True))} for k, row in enumerate(rows, 1)]


def test_the_best_epoch_is_the_first_of_equal_ones_in_the_direction_of_the_metric() -> None:
    records = history(val_loss=[0.9, 0.5, 0.5, 0.7], val_acc=[0.1, 0.3, 0.2, 0.3])
    assert best_epoch(records, "val_loss") == 2
    assert best_epoch(records, "val_acc") == 2
    assert best_epoch([], "val_acc") == 0


def test_accuracy_can_improve_while_the_loss_does_not() -> None:
    records = history(val_loss=[0.5, 0.6, 0.7], val_acc=[0.1, 0.2, 0.3])
    assert best_epoch(records, "val_acc") == 3
    assert epochs_without_improvement(records, "val_loss", 0.0) == 2
    assert epochs_without_improvement(records, "val_acc", 0.0) == 0


def test_patience_counts_from_the_last_gain_above_min_delta() -> None:
    records = history(val_loss=[1.0, 0.95, 0.91, 0.85])
    assert epochs_without_improvement(records, "val_loss", 0.0) == 0
    assert epochs_without_improvement(records, "val_loss", 0.1) == 0
    assert epochs_without_improvement(records[:3], "val_loss", 0.1) == 2


def test_a_gain_must_exceed_min_delta() -> None:
    assert better(0.5, None, "min", min_delta=9.0)
    assert not better(0.5, 0.75, "min", min_delta=0.25)
    assert better(0.4375, 0.75, "min", min_delta=0.25)
    assert not better(0.75, 0.5, "max", min_delta=0.25)
    assert better(0.8125, 0.5, "max", min_delta=0.25)
