"""Checkpoints at epoch ends: one safetensors file, checksummed inside, written beside and renamed.

No pickle. The lr scheduler and the counters of early stopping are not stored: both follow from
the history, and are walked again.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.optim import Optimizer

from genretune.tune.storage.atomic_io import write_atomically

History = Sequence[Mapping[str, Any]]
SUFFIX = ".safetensors"


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
    return _digest(model.state_dict())


def save_checkpoint(checkpoint: Checkpoint, path: Path, *, mark: str) -> None:
    """Write ``path`` whole or not at all.

    Args:
        mark: distinguishes writers of the same path (generation and process).
    """
    tensors = {f"model.{k}": v for k, v in checkpoint.model.items()}
    tensors |= {f"optimizer.{k}": v for k, v in checkpoint.optimizer.items()}
    tensors |= {f"feature.{k}": v for k, v in checkpoint.feature.items()}
    history = json.dumps(checkpoint.history, sort_keys=True)
    metadata = {"history": history, "sha256": _digest(tensors, history)}
    write_atomically(path, save(tensors, metadata), mark=mark)


def load_checkpoint(path: Path) -> Checkpoint | None:
    """The checkpoint at ``path``; None where it is missing, cut or altered."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError):
        return None
    history = _history(metadata.get("history", ""))
    if history is None or metadata.get("sha256") != _digest(tensors, metadata["history"]):
        return None
    parts = {
        prefix: {
            name.removeprefix(prefix): value
            for name, value in tensors.items()
            if name.startswith(prefix)
        }
        for prefix in ("model.", "optimizer.", "feature.")
    }
    return Checkpoint(
        history=history,
        model=parts["model."],
        optimizer=parts["optimizer."],
        feature=parts["feature."],
    )


def _history(text: str) -> tuple[dict[str, Any], ...] | None:
    try:
        records = json.loads(text)
    except (ValueError, RecursionError):
        return None
    sound = isinstance(records, list) and all(isinstance(record, dict) for record in records)
    return tuple(records) if sound else None


def newest_sound(folder: Path) -> Checkpoint | None:
    """The checkpoint of the latest epoch in ``folder`` that is whole; None without one."""
    for path in sorted(folder.glob(f"[0-9]*{SUFFIX}"), reverse=True):
        if (checkpoint := load_checkpoint(path)) is not None:
            return checkpoint
    return None


def checkpoint_path(folder: Path, epoch: int) -> Path:
    return folder / f"{epoch:05d}{SUFFIX}"


def _state(module: nn.Module) -> dict[str, Tensor]:
    return {name: _plain(value) for name, value in module.state_dict().items()}


def _plain(value: Tensor) -> Tensor:
    return value.detach().to("cpu", copy=True).contiguous()


def _digest(tensors: Mapping[str, Tensor], text: str = "") -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        value = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {value.dtype} {list(value.shape)}\n".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
