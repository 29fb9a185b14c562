"""A trial's folder: configuration, result, metrics and checkpoints, each written atomically.

config.json   TrialConfig, written when the trial is created
result.json   environment of each segment, record of each epoch, best epoch, why the trial ended
metrics.tsv   one line per epoch, always rewritten from the history
checkpoints/  the last epochs, best.safetensors, and optionally every n-th epoch
stdout.log    what the trial printed
error.txt     the traceback of a failed trial
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from genretune.tune.errors import RecordMismatch, RunFailure
from genretune.tune.storage.atomic_io import (
    STORAGE_ERRORS,
    StorageFailure,
    as_storage_failure,
    retry_storage,
    write_atomically,
)
from genretune.tune.storage.run_dir import Lease, RunDir
from genretune.tune.storage.untrusted import read_json_object, read_result
from genretune.tune.training.config import TrialConfig
from genretune.tune.training.metrics import COLUMNS, best_epoch
from genretune.tune.training.snapshot import Checkpoint
from genretune.tune.trial.checkpoint_file import (
    SUFFIX,
    CheckpointRetention,
    checkpoint_path,
    load_checkpoint,
    load_newest_checkpoint,
    save_checkpoint,
)

RESULT_VERSION = 1
BEST = f"best{SUFFIX}"


class TrialDir:
    """Reads and writes one trial's folder.

    Args:
        path: the folder; created by the first write.
        mark: different for each concurrent writer of the folder (generation, attempt, process).
        fence: called before every write; raises Replaced if this writer has been replaced.
        io_timeout: seconds to retry failing storage.
        retention: which checkpoints stay.
        on_saved: called after an epoch is saved, where it must lie elsewhere to be safe.

    Raises:
        Replaced: (all methods that write) by the fence.
        StorageFailure: (all methods) the storage fails; writes retry for ``io_timeout``.
    """

    def __init__(
        self,
        path: Path,
        *,
        mark: str = "",
        fence: Callable[[], None] | None = None,
        io_timeout: float = 0.0,
        retention: CheckpointRetention = CheckpointRetention(),  # noqa: B008 (frozen)
        on_saved: Callable[[int], None] = lambda epoch: None,
    ) -> None:
        self.path = path
        self.checkpoints = path / "checkpoints"
        self._mark = mark or str(os.getpid())
        self._fence = fence
        self._io_timeout = io_timeout
        self.retention = retention
        self._on_saved = on_saved

    def wait_for_storage(self) -> None:
        """Return once the fence allows this writer to write and its storage is readable."""
        self._with_fence(lambda: None)

    def write_config(self, config: TrialConfig) -> None:
        """Write ``config.json``."""
        text = config.canonical() + "\n"
        self._with_fence(lambda: self._write(self.path / "config.json", text))

    def begin_segment(
        self,
        config: TrialConfig,
        environment: Mapping[str, Any],
        classes: Sequence[str],
        *,
        epoch: int,
    ) -> None:
        """Record the environment of a new segment.

        Args:
            classes: names of the classes, in the order of the network's outputs.
            epoch: epoch of the checkpoint that it resumes from; 0 for none. Later epochs in the
                record had damaged checkpoints and will be trained again by this segment.
        """

        def begin() -> None:
            result = self.result() or _new_result(config)
            segment = {"from_epoch": epoch, "environment": dict(environment)}
            result["segments"] = [*result["segments"], segment]
            result |= {"status": "running", "why": None, "classes": list(classes)}
            self._write_json("result.json", result)

        self._with_fence(begin)

    def newest_checkpoint(self) -> Checkpoint | None:
        """Return the newest intact checkpoint; None if there is none."""
        # First, because unreadable checkpoints are skipped as damaged: storage that is only
        # unreachable for a while would restart the trial at epoch 1.
        self.wait_for_storage()
        return load_newest_checkpoint(self.checkpoints)

    def best_checkpoint(self) -> Checkpoint | None:
        """Return the checkpoint of the best epoch; None if it is missing or damaged."""
        return load_checkpoint(self.checkpoints / BEST)

    def save_epoch(self, config: TrialConfig, checkpoint: Checkpoint) -> None:
        """Write an epoch's checkpoint and records.

        The checkpoint comes first. If the process dies in between, the records lag by one epoch
        and are rewritten from the checkpoint's history on resume; in the reverse order they would
        claim an epoch that the trial cannot resume from.
        """
        path = checkpoint_path(self.checkpoints, checkpoint.epoch)

        def save() -> None:
            self.checkpoints.mkdir(parents=True, exist_ok=True)
            save_checkpoint(checkpoint, path, mark=self._mark)
            if best_epoch(checkpoint.history, config.best.metric) == checkpoint.epoch:
                self._link(path, self.checkpoints / BEST)
            # Deleted last, so that an intact checkpoint exists at every moment.
            for old in self.retention.surplus(self.checkpoints, checkpoint.epoch):
                old.unlink(missing_ok=True)

        self._with_fence(save)
        self._with_fence(lambda: self._write_history(config, checkpoint.history))
        self._on_saved(checkpoint.epoch)

    def finish(self, config: TrialConfig, status: str, why: str) -> None:
        """Record how and why the trial ended."""

        def write_end() -> None:
            result = self.result() or _new_result(config)
            self._write_json("result.json", result | {"status": status, "why": why})

        self._with_fence(write_end)

    def write_error(self, traceback: str) -> None:
        """Write ``error.txt``; before the status, which refers to it."""
        self._with_fence(lambda: self._write(self.path / "error.txt", traceback))

    def write_result(self, result: Mapping[str, Any]) -> None:
        """Write ``result.json``."""
        self._with_fence(lambda: self._write_json("result.json", result))

    def config(self) -> dict[str, Any]:
        """Return the content of ``config.json``.

        Raises:
            RecordMismatch: it is missing or not JSON.
        """
        path = self.path / "config.json"
        try:
            return read_json_object(path)
        except FileNotFoundError:
            raise RecordMismatch(f"{path}: must exist, got no such file") from None
        except OSError as error:
            raise _as_unreadable(path, error) from error

    def result(self) -> dict[str, Any] | None:
        """Return the content of ``result.json``; None if it does not exist.

        Raises:
            RecordMismatch: it cannot be opened, or does not match the schema.
        """
        try:
            return read_result(self.path)
        except OSError as error:
            raise _as_unreadable(self.path / "result.json", error) from error

    def _write_history(self, config: TrialConfig, history: Sequence[Mapping[str, Any]]) -> None:
        result = self.result() or _new_result(config)
        result["history"] = list(history)
        result["best_epoch"] = best_epoch(history, config.best.metric)
        self._write_json("result.json", result)
        self._write(self.path / "metrics.tsv", metrics_tsv(history))

    def _link(self, source: Path, target: Path) -> None:
        """Replace ``target`` atomically by a hard link to ``source``, which takes no disk space."""
        temporary = target.with_name(f".{target.name}.{self._mark}.tmp")
        temporary.unlink(missing_ok=True)
        try:
            os.link(source, temporary)
        except OSError:  # a file system without hard links
            write_atomically(target, source.read_bytes(), mark=self._mark)
        else:
            os.replace(temporary, target)

    def _with_fence(self, act: Callable[[], None]) -> None:
        """Call ``act`` if this writer has not been replaced; retry while the storage fails.

        The fence is checked at every attempt: a segment may be given up while it waits for storage.
        """

        def attempt() -> None:
            with as_storage_failure(self.path):
                self._check_fence()
                act()

        retry_storage(attempt, seconds=self._io_timeout)

    def _write_json(self, name: str, value: Mapping[str, Any]) -> None:
        self._write(self.path / name, json.dumps(value, indent=1, allow_nan=False) + "\n")

    def _write(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Checked again right before the write: reading the old record can hang on slow storage for
        # minutes, in which a successor may have written the file.
        self._check_fence()
        write_atomically(path, text.encode(), mark=self._mark)

    def _check_fence(self) -> None:
        if self._fence is not None:
            self._fence()


def open_trial_dir(run: RunDir, index: int, *, lease: Lease | None = None) -> TrialDir:
    """Return the folder of trial ``index``; with a lease, late writes are rejected."""
    path = run.trial_path(index)
    if lease is None:
        return TrialDir(path)
    return TrialDir(
        path,
        mark=f"g{lease.generation}-{lease.attempt}-{os.getpid()}",
        fence=lambda: run.check_lease(index, lease),
        io_timeout=lease.io_timeout,
    )


def metrics_tsv(history: Sequence[Mapping[str, Any]]) -> str:
    """Return the history as tab-separated text; floats round-trip."""
    lines = ["\t".join(COLUMNS)]
    lines += ["\t".join(_cell(record[name]) for name in COLUMNS) for record in history]
    return "\n".join(lines) + "\n"


def _cell(value: object) -> str:
    return repr(value) if isinstance(value, float) else str(value)


def _new_result(config: TrialConfig) -> dict[str, Any]:
    return {
        "version": RESULT_VERSION,
        "signature": config.signature(),
        "status": "running",
        "why": None,
        "best_epoch": 0,
        "classes": [],
        "segments": [],
        "history": [],
    }


def _as_unreadable(path: Path, error: OSError) -> RunFailure | RecordMismatch:
    """Return a transient error, which is retried, or one of a damaged run directory."""
    if error.errno in STORAGE_ERRORS:
        return StorageFailure(f"{path}: must be readable, got {error.strerror}")
    return RecordMismatch(f"{path}: must be readable JSON, got {error}")
