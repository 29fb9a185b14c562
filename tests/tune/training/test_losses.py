"""Losses: torch's own mean, whole, in parts, and weighed by class."""

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


def build(given: dict[str, Any], sizes: tuple[int, ...] = (2, 2, 2, 2)) -> Loss:
    return build_loss(resolve_loss(given), class_sizes=torch.tensor(sizes))


def batch() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(16, 4, generator=generator)
    return logits, torch.arange(16) % 4


@pytest.mark.parametrize(("given", "theirs"), CASES)
def test_the_mean_is_torchs_own(given: dict[str, Any], theirs: nn.Module) -> None:
    loss = build(given)
    logits, target = batch()
    mean = loss.values(logits, target).sum() / loss.weights(target).sum()
    assert torch.allclose(mean, theirs(logits, target), rtol=1e-6, atol=0.0)


@pytest.mark.parametrize(("given", "theirs"), CASES)
def test_gradients_of_parts_add_up(given: dict[str, Any], theirs: nn.Module) -> None:
    loss = build(given)
    logits, target = batch()
    logits.requires_grad_()
    (whole,) = torch.autograd.grad(theirs(logits, target), [logits])
    total = loss.weights(target).sum()
    parts = torch.zeros_like(whole)
    for rows in torch.arange(16).split(5):
        (part,) = torch.autograd.grad(
            loss.values(logits[rows], target[rows]).sum() / total, [logits]
        )
        parts += part
    assert torch.allclose(parts, whole, rtol=1e-5, atol=1e-8)


def test_balanced_weights_are_of_the_training_side() -> None:
    loss = build({"name": "CrossEntropyLoss", "class_weights": "balanced"}, (1, 2, 5, 8))
    assert loss.class_weight is not None
    assert loss.class_weight.tolist() == [4.0, 2.0, pytest.approx(0.8), 0.5]
    assert loss.weights(torch.tensor([0, 3])).tolist() == [4.0, 0.5]


@pytest.mark.parametrize(
    ("given", "sizes", "said"),
    [
        ({"class_weights": "balanced"}, (1, 0, 1, 1), "a training window of every class"),
        ({"class_weights": [1.0, 2.0]}, (1, 1, 1, 1), r"one weight a class \(4\), got 2"),
    ],
)
def test_weights_that_do_not_fit_are_named(
    given: dict[str, Any], sizes: tuple[int, ...], said: str
) -> None:
    with pytest.raises(TuneError, match=f"loss.class_weights: .*{said}"):
        build({"name": "CrossEntropyLoss", **given}, sizes)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"name": "CrossEntropyLoss", "label_smoothing": 1.0}, "loss.label_smoothing"),
        ({"name": "CrossEntropyLoss", "class_weights": "balance"}, "loss.class_weights"),
        ({"name": "CrossEntropyLoss", "class_weights": [0.0]}, "loss.class_weights"),
        ({"name": "MultiMarginLoss", "p": 3}, "loss.p"),
        ({"name": "crossentropy"}, "did you mean 'CrossEntropyLoss'"),
    ],
)
def test_wrong_arguments_are_named(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ModelError, match=said):
        resolve_loss(given)
