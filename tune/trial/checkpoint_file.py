"""Checkpoint files: one safetensors file an epoch, with a checksum, replaced atomically.

No pickle: opening somebody else's checkpoint executes nothing.
"""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from genretune.tune.storage.atomic_io import write_atomically
from genretune.tune.training.snapshot import Checkpoint, tensors_digest

SUFFIX = ".safetensors"


def save_checkpoint(checkpoint: Checkpoint, path: Path, *, mark: str) -> None:
    """Write ``path`` whole or not at all.

    Args:
        mark: distinguishes writers of the same path (generation and process).
    """
    tensors = {f"model.{k}": v for k, v in checkpoint.model.items()}
    tensors |= {f"optimizer.{k}": v for k, v in checkpoint.optimizer.items()}
    tensors |= {f"feature.{k}": v for k, v in checkpoint.feature.items()}
    history = json.dumps(checkpoint.history, sort_keys=True)
    metadata = {"history": history, "sha256": tensors_digest(tensors, history)}
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
    if history is None or metadata.get("sha256") != tensors_digest(tensors, metadata["history"]):
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
