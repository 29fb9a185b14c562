"""The state of a trial after an epoch, in memory; ``trial/checkpoint_file.py`` puts it in a file.

The lr scheduler and the counters of early stopping are not in it: both follow from the history,
and are walked again.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

History = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Checkpoint:
    """A trial after an epoch.

    Attributes:
        history: the record of every epoch so far.
        model: the model's state by name, contiguous and on the CPU.
        optimizer: the optimizer's tensors by ``INDEX.KEY``.
        feature: figures of the training set that the feature holds; empty where it has none.
    """

    history: tuple[dict[str, Any], ...]
    model: dict[str, Tensor]
    optimizer: dict[str, Tensor]
    feature: dict[str, Tensor] = field(default_factory=dict)

    @property
    def epoch(self) -> int:
        return len(self.history)


def snapshot(
    model: nn.Module,
    optimizer: Optimizer,
    history: History,
    *,
    feature: nn.Module | None = None,
) -> Checkpoint:
    """The state of a trial, copied to the CPU.

    Args:
        feature: one that holds figures of the training set.
    """
    state = optimizer.state_dict()["state"]
    tensors = {
        f"{index}.{key}": torch.as_tensor(value)
        for index, entries in state.items()
        for key, value in entries.items()
        if value is not None
    }
    return Checkpoint(
        history=tuple(dict(record) for record in history),
        model=_state(model),
        optimizer={name: _plain(value) for name, value in tensors.items()},
        feature={} if feature is None else _state(feature),
    )


def restore(checkpoint: Checkpoint, model: nn.Module, optimizer: Optimizer) -> None:
    """Put a snapshot back, in the memory formats that the model's parameters have."""
    model.load_state_dict(checkpoint.model)
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in checkpoint.optimizer.items():
        index, key = name.split(".", 1)
        parameter = parameters[int(index)]
        if value.shape == parameter.shape:
            # a fused step walks both in memory order, so the strides must agree
            value = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
        state.setdefault(int(index), {})[key] = value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def weights_digest(model: nn.Module) -> str:
    """SHA-256 over name, type, shape and bytes of the model's state, by name."""
    return tensors_digest(model.state_dict())


def _state(module: nn.Module) -> dict[str, Tensor]:
    return {name: _plain(value) for name, value in module.state_dict().items()}


def _plain(value: Tensor) -> Tensor:
    return value.detach().to("cpu", copy=True).contiguous()


def tensors_digest(tensors: Mapping[str, Tensor], text: str = "") -> str:
    """SHA-256 over ``text``, then name, type, shape and bytes of each tensor, by name."""
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        value = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {value.dtype} {list(value.shape)}\n".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
