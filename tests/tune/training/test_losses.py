"""Losses: means and gradients equal to those of torch, also in micro-batches and weighted."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from genretune.models.errors import ModelError
from genretune.tune.errors import TuneError
from genretune.tune.training.losses import Loss, build_loss, resolve_loss

WEIGHTS = [0.5, 1.0, 2.0, 4.0]
CASES: list[tuple[dict[str, Any], nn.Module]] = [
    ({"name": "CrossEntropyLoss"}, nn.CrossEntropyLoss()),
    (
        {"name": "CrossEntropyLoss", "label_smoothing": 0.1},
        nn.CrossEntropyLoss(label_smoothing=0.1),
    ),
    (
        {"name": "CrossEntropyLoss", "class_weights": WEIGHTS},
        nn.CrossEntropyLoss(weight=torch.tensor(WEIGHTS)),
    ),
    (
        {"name": "CrossEntropyLoss", "class_weights": WEIGHTS, "label_smoothing": 0.2},
        nn.CrossEntropyLoss(weight=torch.tensor(WEIGHTS), label_smoothing=0.2),
    ),
    ({"name": "MultiMarginLoss"}, nn.MultiMarginLoss()),
    (
        {"name": "MultiMarginLoss", "p": 2, "margin": 0.5, "class_weights": WEIGHTS},
        nn.MultiMarginLoss(p=2, margin=0.5, weight=torch.tensor(WEIGHTS)),
    ),
]


def build(settings: dict[str, Any], sizes: tuple[int, ...] = (2, 2, 2, 2)) -> Loss:
    return build_loss(resolve_loss(settings), class_sizes=torch.tensor(sizes))


def batch() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(16, 4, generator=generator)
    return logits, torch.arange(16) % 4


@pytest.mark.parametrize(("settings", "reference"), CASES)
def test_the_mean_equals_that_of_torch(settings: dict[str, Any], reference: nn.Module) -> None:
    loss = build(settings)
    logits, target = batch()
    mean = loss.values(logits, target).sum() / loss.weights(target).sum()
    assert torch.allclose(mean, reference(logits, target), rtol=1e-6, atol=0.0)


@pytest.mark.parametrize(("settings", "reference"), CASES)
def test_gradients_of_micro_batches_add_up(settings: dict[str, Any], reference: nn.Module) -> None:
    loss = build(settings)
    logits, target = batch()
    logits.requires_grad_()
    (whole,) = torch.autograd.grad(reference(logits, target), [logits])
    total = loss.weights(target).sum()
    summed = torch.zeros_like(whole)
    for rows in torch.arange(16).split(5):
        (gradient,) = torch.autograd.grad(
            loss.values(logits[rows], target[rows]).sum() / total, [logits]
        )
        summed += gradient
    assert torch.allclose(summed, whole, rtol=1e-5, atol=1e-8)


def test_balanced_weights_are_inverse_to_the_class_sizes() -> None:
    loss = build({"name": "CrossEntropyLoss", "class_weights": "balanced"}, (1, 2, 5, 8))
    assert loss.class_weight is not None
    assert loss.class_weight.tolist() == [4.0, 2.0, pytest.approx(0.8), 0.5]
    assert loss.weights(torch.tensor([0, 3])).tolist() == [4.0, 0.5]


@pytest.mark.parametrize(
    ("settings", "sizes", "message"),
    [
        (
            {"class_weights": "balanced"},
            (1, 0, 1, 1),
            "training windows of every class, got none of class 1",
        ),
        ({"class_weights": [1.0, 2.0]}, (1, 1, 1, 1), r"one weight per class \(4\), got 2"),
    ],
)
def test_class_weights_that_do_not_match_the_classes_are_refused(
    settings: dict[str, Any], sizes: tuple[int, ...], message: str
) -> None:
    with pytest.raises(TuneError, match=f"loss.class_weights: .*{message}"):
        build({"name": "CrossEntropyLoss", **settings}, sizes)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "CrossEntropyLoss", "label_smoothing": 1.0}, "loss.label_smoothing"),
        ({"name": "CrossEntropyLoss", "class_weights": "balance"}, "loss.class_weights"),
        ({"name": "CrossEntropyLoss", "class_weights": [0.0]}, "loss.class_weights"),
        ({"name": "MultiMarginLoss", "p": 3}, "loss.p"),
        ({"name": "crossentropy"}, "did you mean 'CrossEntropyLoss'"),
    ],
)
def test_invalid_arguments_are_reported_by_name(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        resolve_loss(settings)
