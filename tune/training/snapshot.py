"""The state of a trial after an epoch, in memory; ``trial/checkpoint_file.py`` saves it to a file.

It does not contain the lr scheduler or the counters of early stopping: both follow from the
history and are computed again from it.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from genretune.tune.training.config import FIRST_RULES

History = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Checkpoint:
    """The state of a trial after an epoch.

    Attributes:
        history: the record of every epoch so far.
        model: the model's state by name, contiguous and on the CPU.
        optimizer: the optimizer's tensors by ``INDEX.KEY``.
        feature: the feature's statistics of the training set, by name; empty if it has none.
    """

    history: tuple[dict[str, Any], ...]
    model: dict[str, Tensor]
    optimizer: dict[str, Tensor]
    feature: dict[str, Tensor] = field(default_factory=dict)

    @property
    def epoch(self) -> int:
        """Number of finished epochs."""
        return len(self.history)


def snapshot(
    model: nn.Module,
    optimizer: Optimizer,
    history: History,
    *,
    feature: nn.Module | None = None,
) -> Checkpoint:
    """Return the state of a trial, copied to the CPU.

    Args:
        feature: the trial's feature if it has statistics of the training set, else None.
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
        optimizer={name: _cpu_copy(value) for name, value in tensors.items()},
        feature={} if feature is None else _state(feature),
    )


def restore(checkpoint: Checkpoint, model: nn.Module, optimizer: Optimizer) -> None:
    """Load a checkpoint, in the memory formats of the model's parameters."""
    model.load_state_dict(checkpoint.model)
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in checkpoint.optimizer.items():
        index, key = name.split(".", 1)
        parameter = parameters[int(index)]
        if value.shape == parameter.shape:
            # A fused step reads parameter and state in memory order, so their strides must agree:
            # checkpoints are contiguous, parameters may be channels_last.
            value = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
        state.setdefault(int(index), {})[key] = value
    # The hyperparameters come from the configuration and the lr scheduler, not from the checkpoint.
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def weights_digest(model: nn.Module) -> str:
    """Return the SHA-256 over name, dtype, shape and bytes of the model's state, sorted by name."""
    return tensors_digest(model.state_dict())


def recorded_digest(model: Mapping[str, Tensor], feature: Mapping[str, Tensor], rules: int) -> str:
    """Return the ``weights_sha256`` of a record: of the model and of the feature's statistics.

    Args:
        feature: its state; empty if it has no statistics.
        rules: of ``TrialConfig``; by the first ones the model alone counts.
    """
    if rules == FIRST_RULES or not feature:
        return tensors_digest(model)
    parts = {"model": model, "feature": feature}
    return tensors_digest(
        {f"{k}.{name}": v for k, part in parts.items() for name, v in part.items()}
    )


def _state(module: nn.Module) -> dict[str, Tensor]:
    return {name: _cpu_copy(value) for name, value in module.state_dict().items()}


def _cpu_copy(value: Tensor) -> Tensor:
    return value.detach().to("cpu", copy=True).contiguous()


def tensors_digest(tensors: Mapping[str, Tensor], text: str = "") -> str:
    """Return the SHA-256 over ``text`` and the name, dtype, shape and bytes of each tensor.

    Sorted by name and independent of memory format.
    """
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        value = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {value.dtype} {list(value.shape)}\n".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
