"""Checkpoints in memory: independent copies, restored in the parameters' memory format."""

import torch
from torch import nn, optim

from genretune.tune.training.snapshot import restore, snapshot, tensors_digest, weights_digest


def trained() -> tuple[nn.Module, optim.Optimizer]:
    model = nn.Conv2d(3, 4, 2).to(memory_format=torch.channels_last)
    optimizer = optim.Adam(model.parameters(), fused=True)
    step(model, optimizer)
    return model, optimizer


def step(model: nn.Module, optimizer: optim.Optimizer) -> None:
    optimizer.zero_grad()
    model(torch.ones(2, 3, 4, 4)).square().mean().backward()
    optimizer.step()


def test_a_checkpoint_does_not_change_when_training_continues() -> None:
    model, optimizer = trained()
    record = {"epoch": 1}
    checkpoint = snapshot(model, optimizer, [record])
    before = tensors_digest(checkpoint.model), tensors_digest(checkpoint.optimizer)
    step(model, optimizer)
    record["epoch"] = 2
    assert (tensors_digest(checkpoint.model), tensors_digest(checkpoint.optimizer)) == before
    assert checkpoint.history == ({"epoch": 1},) and checkpoint.epoch == 1


def test_restored_optimizer_state_has_the_strides_of_its_parameter() -> None:
    model, optimizer = trained()
    checkpoint = snapshot(model, optimizer, [])
    assert all(value.is_contiguous() for value in checkpoint.optimizer.values())
    fresh = nn.Conv2d(3, 4, 2).to(memory_format=torch.channels_last)
    fresh_optimizer = optim.Adam(fresh.parameters(), fused=True)
    restore(checkpoint, fresh, fresh_optimizer)
    assert fresh_optimizer.state[fresh.weight]["exp_avg"].stride() == fresh.weight.stride()
    step(model, optimizer)
    step(fresh, fresh_optimizer)
    assert weights_digest(fresh) == weights_digest(model)


def test_the_digest_depends_on_names_types_and_shapes_but_not_on_order() -> None:
    a, b = torch.arange(4.0), torch.ones(2)
    digest = tensors_digest({"a": a, "b": b})
    assert tensors_digest({"b": b, "a": a}) == digest
    assert tensors_digest({"a": a.reshape(2, 2), "b": b}) != digest
    assert tensors_digest({"a": a, "c": b}) != digest
    assert tensors_digest({"a": a, "b": b.double()}) != digest
    assert tensors_digest({"a": a, "b": b}, "text") != digest
