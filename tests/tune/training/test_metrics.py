"""Scores compared with values calculated by hand, best epochs, patience."""

import math
from dataclasses import replace
from typing import Any

import pytest
import scipy.special
import scipy.stats
import sklearn.metrics
import torch

from genretune.tune.metric_names import METRICS
from genretune.tune.training.metrics import (
    COLUMNS,
    Mixed,
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
    # of the fused prediction: the geometric means of the windows' probabilities, which sum to 1
    seven = (math.sqrt(0.6 * 0.1), math.sqrt(0.4 * 0.9))
    nine = (math.sqrt(0.2 * 0.4), math.sqrt(0.8 * 0.6))
    by_hand = -(math.log(seven[0] / sum(seven)) + math.log(nine[1] / sum(nine))) / 2
    assert scores.clip_loss == pytest.approx(by_hand, rel=1e-6)
    # windows: class 0 has one true positive and one miss, class 1 two and one false positive
    assert scores.macro_f1 == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert scores.clip_macro_f1 == pytest.approx((0.0 + 2 / 3) / 2)


def test_the_clip_loss_is_that_of_the_fused_prediction_by_other_means() -> None:
    generator = torch.Generator().manual_seed(1)
    given = torch.randn(40, 5, generator=generator)
    clip = torch.arange(40) // 4
    target = (clip * 7) % 5
    scores = compute_scores(given, target, clip, loss=0.0)
    probabilities = scipy.special.softmax(given.numpy().astype("float64"), axis=1)
    fused = scipy.stats.gmean(probabilities.reshape(10, 4, 5), axis=1)
    fused /= fused.sum(axis=1, keepdims=True)
    expected = sklearn.metrics.log_loss(target[::4].numpy(), fused, labels=range(5))
    assert scores.clip_loss == pytest.approx(expected, rel=1e-12)
    # by the rules of before, the scores were not normalised again
    before = compute_scores(given, target, clip, loss=0.0, rules=1)
    assert before.clip_loss > scores.clip_loss
    assert replace(before, clip_loss=0.0) == replace(scores, clip_loss=0.0)


def test_windows_mixed_with_a_partner_count_by_share() -> None:
    given = logits((0.9, 0.1), (0.9, 0.1), (0.2, 0.8), (0.4, 0.6))
    target, clip = torch.tensor([0, 0, 1, 1]), torch.tensor([7, 7, 9, 9])
    mixed = Mixed(torch.tensor([1, 0, 0, 0]), torch.tensor([0.75, 0.5, 0.25, 1.0]))
    scores = compute_scores(given, target, clip, loss=0.0, mixed=mixed)
    # right by .75; own and partner's class are predicted; right by .25; right
    assert scores.acc == (0.75 + 1.0 + 0.25 + 1.0) / 4
    nine = [(0.25 * math.log(a) + math.log(b)) / 1.25 for a, b in ((0.2, 0.4), (0.8, 0.6))]
    expected = (-math.log(0.9) + math.log(sum(map(math.exp, nine))) - nine[1]) / 2
    assert scores.clip_loss == pytest.approx(expected, rel=1e-6)
    whole = Mixed(mixed.target, torch.ones(4))
    assert compute_scores(given, target, clip, loss=0.0, mixed=whole) == compute_scores(
        given, target, clip, loss=0.0
    )
    before = compute_scores(given, target, clip, loss=0.0, mixed=mixed, rules=1)
    assert before == compute_scores(given, target, clip, loss=0.0, rules=1)


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
