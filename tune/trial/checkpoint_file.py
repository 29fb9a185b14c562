"""Checkpoint files: one safetensors file per epoch, with a checksum, written atomically.

safetensors instead of pickle, so that opening somebody else's checkpoint executes nothing.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from genretune.tune.errors import TuneError
from genretune.tune.storage.atomic_io import write_atomically
from genretune.tune.training.snapshot import Checkpoint, tensors_digest

SUFFIX = ".safetensors"


@dataclass(frozen=True)
class CheckpointRetention:
    """Which checkpoints stay on disk in addition to the best one; does not affect results.

    Attributes:
        last: number of newest checkpoints; with 2 or more, a resume skips a damaged newest one.
        every: also every epoch divisible by this; None for no others.
    """

    last: int = 2
    every: int | None = None

    def __post_init__(self) -> None:
        if self.last < 1 or (self.every is not None and self.every < 1):
            raise TuneError(
                "keep: must be at least the last 1 checkpoint, and every n-th with n from 1, "
                f"got last {self.last} and every {self.every}"
            )

    def surplus(self, folder: Path, epoch: int) -> list[Path]:
        """Return the checkpoints in ``folder`` that are no longer needed after ``epoch``.

        Checkpoints of later epochs were damaged when the trial resumed. They do not count among the
        last, or they would displace intact ones, and training writes them again.
        """
        paths = [path for path in sorted(folder.glob(f"*{SUFFIX}")) if path.stem.isdigit()]
        old = [path for path in paths if int(path.stem) <= epoch][: -self.last]
        return [path for path in old if self.every is None or int(path.stem) % self.every]


def save_checkpoint(checkpoint: Checkpoint, path: Path, *, mark: str) -> None:
    """Write a checkpoint atomically.

    Args:
        mark: different for each concurrent writer of the path (generation, attempt and process).

    Raises:
        OSError: the file cannot be written.
    """
    tensors = {f"model.{name}": value for name, value in checkpoint.model.items()}
    tensors |= {f"optimizer.{name}": value for name, value in checkpoint.optimizer.items()}
    tensors |= {f"feature.{name}": value for name, value in checkpoint.feature.items()}
    history = json.dumps(checkpoint.history, sort_keys=True)
    metadata = {"history": history, "sha256": tensors_digest(tensors, history)}
    write_atomically(path, save(tensors, metadata), mark=mark)


def load_checkpoint(path: Path) -> Checkpoint | None:
    """Return the checkpoint at ``path``; None if it is missing, truncated or altered."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError):
        return None
    history = _parse_history(metadata.get("history", ""))
    # The digest covers tensors and history together: a checkpoint with weights of one epoch and a
    # record of another would resume without an error and train to different bits.
    if history is None or metadata.get("sha256") != tensors_digest(tensors, metadata["history"]):
        return None
    state = {
        prefix: {
            name.removeprefix(prefix): value
            for name, value in tensors.items()
            if name.startswith(prefix)
        }
        for prefix in ("model.", "optimizer.", "feature.")
    }
    return Checkpoint(
        history=history,
        model=state["model."],
        optimizer=state["optimizer."],
        feature=state["feature."],
    )


def _parse_history(text: str) -> tuple[dict[str, Any], ...] | None:
    """Return the records in ``text``; None if it is not a JSON list of objects."""
    try:
        records = json.loads(text)
    except (ValueError, RecursionError):
        return None
    valid = isinstance(records, list) and all(isinstance(record, dict) for record in records)
    return tuple(records) if valid else None


def load_newest_checkpoint(folder: Path) -> Checkpoint | None:
    """Return the intact checkpoint of the latest epoch in ``folder``; None if there is none."""
    for path in sorted(folder.glob(f"[0-9]*{SUFFIX}"), reverse=True):
        if (checkpoint := load_checkpoint(path)) is not None:
            return checkpoint
    return None


def checkpoint_path(folder: Path, epoch: int) -> Path:
    """Return the path of an epoch's checkpoint; names sort by epoch."""
    return folder / f"{epoch:05d}{SUFFIX}"
