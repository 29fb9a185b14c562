"""Optimizers: steps and defaults equal to those of torch, invalid arguments, restored state."""

from typing import Any

import pytest
import torch
from torch import nn, optim

from genretune.models.errors import ModelError
from genretune.tune.training.optimizers import OPTIMIZERS, build_optimizer, resolve_optimizer
from genretune.tune.training.snapshot import restore, snapshot

# Their steps need a closure, or do not accept dense gradients of any shape.
UNSUPPORTED = {"LBFGS", "SparseAdam", "Muon", "Optimizer"}
ARGUMENTS: dict[str, dict[str, Any]] = {
    "Adafactor": {"lr": 0.02, "weight_decay": 0.01},
    "Adam": {"lr": 0.02, "weight_decay": 0.01, "amsgrad": True},
    "AdamW": {"lr": 0.02, "betas": [0.8, 0.9]},
    "NAdam": {"lr": 0.02, "decoupled_weight_decay": True, "weight_decay": 0.1},
    "RMSprop": {"lr": 0.02, "momentum": 0.5, "centered": True},
    "Rprop": {"lr": 0.02, "etas": [0.4, 1.3]},
    "SGD": {"lr": 0.02, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
}


def network() -> nn.Module:
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Flatten(), nn.Linear(27, 4))
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return model


def train(model: nn.Module, optimizer: optim.Optimizer, steps: range) -> None:
    for step in steps:
        generator = torch.Generator().manual_seed(step)
        x = torch.randn(5, 2, 5, 5, generator=generator)
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()


def equal(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_every_suitable_optimizer_of_torch_is_supported() -> None:
    theirs = {
        name
        for name, item in vars(optim).items()
        if isinstance(item, type) and issubclass(item, optim.Optimizer)
    }
    assert theirs - UNSUPPORTED == set(OPTIMIZERS)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_equal_those_of_torch(name: str) -> None:
    arguments = ARGUMENTS.get(name, {"lr": 0.02})
    ours, theirs = network(), network()
    train(
        ours,
        build_optimizer(resolve_optimizer({"name": name, **arguments}), ours.parameters()),
        range(4),
    )
    fused = {"fused": True} if name in ("Adam", "AdamW") else {}
    as_tuples = {k: tuple(v) if isinstance(v, list) else v for k, v in arguments.items()}
    train(theirs, vars(optim)[name](theirs.parameters(), **as_tuples, **fused), range(4))
    assert equal(ours, theirs)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_defaults_equal_those_of_torch(name: str) -> None:
    resolved = resolve_optimizer({"name": name})
    theirs = vars(optim)[name](network().parameters()).defaults
    for key, value in resolved.items():
        if key != "name":
            expected = theirs[key]
            assert value == (list(expected) if isinstance(expected, tuple) else expected), key


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_training_continues_equally_from_a_restored_state(name: str) -> None:
    config = resolve_optimizer({"name": name, **ARGUMENTS.get(name, {"lr": 0.02})})
    straight = network().to(memory_format=torch.channels_last)
    train(straight, build_optimizer(config, straight.parameters()), range(5))
    first = network().to(memory_format=torch.channels_last)
    optimizer = build_optimizer(config, first.parameters())
    train(first, optimizer, range(2))
    checkpoint = snapshot(first, optimizer, [])
    second = network().to(memory_format=torch.channels_last)
    optimizer = build_optimizer(config, second.parameters())
    restore(checkpoint, second, optimizer)
    train(second, optimizer, range(2, 5))
    assert equal(straight, second)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "Adam", "lr": -1.0}, "optimizer.lr: must be a number >= 0, got -1.0"),
        ({"name": "Adam", "lr": "1e-3"}, "optimizer.lr: must be a number"),
        ({"name": "Adam", "betas": [0.9, 1.0]}, "optimizer.betas"),
        ({"name": "SGD", "momentun": 0.9}, "did you mean 'momentum'"),
        ({"name": "Adan"}, "did you mean 'Adam'"),
        ({"name": "LBFGS"}, "optimizer.name: must be the name of a known optimizer"),
        ({"name": "Adam", "eps": 0.0}, "optimizer.eps: must be a number > 0, got 0.0"),
    ],
)
def test_invalid_arguments_are_reported_by_name(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        resolve_optimizer(settings)
