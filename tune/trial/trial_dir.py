"""A trial's folder: its configuration, result, metrics and checkpoints, each written whole.

config.json   TrialConfig, written when the trial is created
result.json   environment a segment, record an epoch, best epoch, why it ended
metrics.tsv   one line an epoch, rewritten whole from the history
checkpoints/  the last epochs, best.safetensors, and on request every n-th epoch
stdout.log    what the trial printed
error.txt     the traceback of a failed trial
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genretune.tune.errors import RecordMismatch, RunFailure, TuneError
from genretune.tune.storage.atomic_io import (
    STORAGE_ERRORS,
    StorageFailure,
    as_storage_failure,
    retry_storage,
    write_atomically,
)
from genretune.tune.storage.run_dir import Lease, RunDir
from genretune.tune.storage.untrusted import read_object, read_result
from genretune.tune.training.config import TrialConfig
from genretune.tune.training.metrics import COLUMNS, best_epoch
from genretune.tune.training.snapshot import Checkpoint
from genretune.tune.trial.checkpoint_file import (
    SUFFIX,
    checkpoint_path,
    load_checkpoint,
    newest_sound,
    save_checkpoint,
)

RESULT_VERSION = 1
BEST = f"best{SUFFIX}"


@dataclass(frozen=True)
class CheckpointRetention:
    """Which checkpoints stay on disk beside the best one; changes no result.

    Attributes:
        last: how many of the newest; a damaged newest one is passed over for the one before.
        every: also each epoch that this divides; None for no others.
    """

    last: int = 2
    every: int | None = None

    def __post_init__(self) -> None:
        if self.last < 1 or (self.every is not None and self.every < 1):
            raise TuneError(
                "keep: must keep at least the last 1 checkpoint, and every n-th with n from 1, "
                f"got last {self.last} and every {self.every}"
            )

    def surplus(self, folder: Path, epoch: int) -> list[Path]:
        """The checkpoints in ``folder`` that need not stay after ``epoch``.

        Later ones, which were damaged when the trial went on, do not count: they are written anew.
        """
        saved = [path for path in sorted(folder.glob(f"*{SUFFIX}")) if path.stem.isdigit()]
        old = [path for path in saved if int(path.stem) <= epoch][: -self.last]
        return [path for path in old if self.every is None or int(path.stem) % self.every]


class TrialDir:
    """Reads and writes one trial's folder.

    Args:
        path: the folder; made when first written to.
        mark: distinguishes writers of the same folder (generation and process).
        fence: called before anything is put in place; raises where this writer has been replaced.
        patience: how long (s) to try again while the storage refuses.
        keep: which checkpoints stay.
    """

    def __init__(
        self,
        path: Path,
        *,
        mark: str = "",
        fence: Callable[[], None] | None = None,
        io_timeout: float = 0.0,
        keep: CheckpointRetention = CheckpointRetention(),  # noqa: B008 (frozen)
    ) -> None:
        self.path = path
        self.checkpoints = path / "checkpoints"
        self._mark = mark or str(os.getpid())
        self._fence = fence
        self._io_timeout = io_timeout
        self._kept = keep

    def wait_for_storage(self) -> None:
        """Return once the folder can be written by this writer.

        Raises:
            StorageFailure: the patience is over.
        """
        self._keep(lambda: None)

    def write_config(self, config: TrialConfig) -> None:
        text = config.canonical() + "\n"
        self._keep(lambda: self._write(self.path / "config.json", text))

    def begin_segment(
        self,
        config: TrialConfig,
        environment: Mapping[str, Any],
        classes: Sequence[str],
        *,
        epoch: int,
    ) -> None:
        """Note the environment of a new segment.

        Args:
            classes: names of the classes, in the order of the network's outputs.
            epoch: of the checkpoint that it continues; 0 from the start. Later epochs of the
                record, whose checkpoints were damaged, will be its own.
        """

        def begin() -> None:
            result = self.result() or _new_result(config)
            segment = {"from_epoch": epoch, "environment": dict(environment)}
            result["segments"] = [*result["segments"], segment]
            result |= {"status": "running", "why": None, "classes": list(classes)}
            self._write_json("result.json", result)

        self._keep(begin)

    def newest_checkpoint(self) -> Checkpoint | None:
        self.wait_for_storage()
        return newest_sound(self.checkpoints)

    def best_checkpoint(self) -> Checkpoint | None:
        return load_checkpoint(self.checkpoints / BEST)

    def save_epoch(self, config: TrialConfig, checkpoint: Checkpoint) -> None:
        """Keep an epoch: checkpoint first, then the records that speak of it."""
        path = checkpoint_path(self.checkpoints, checkpoint.epoch)

        def save() -> None:
            self.checkpoints.mkdir(parents=True, exist_ok=True)
            save_checkpoint(checkpoint, path, mark=self._mark)
            if best_epoch(checkpoint.history, config.best.metric) == checkpoint.epoch:
                self._link(path, self.checkpoints / BEST)
            for old in self._kept.surplus(self.checkpoints, checkpoint.epoch):
                old.unlink(missing_ok=True)

        self._keep(save)
        self._keep(lambda: self._write_history(config, checkpoint.history))

    def finish(self, config: TrialConfig, status: str, why: str) -> None:
        """Write why the trial ended."""

        def end() -> None:
            result = self.result() or _new_result(config)
            self._write_json("result.json", result | {"status": status, "why": why})

        self._keep(end)

    def fail(self, config: TrialConfig, why: str, traceback: str) -> None:
        self._keep(lambda: self._write(self.path / "error.txt", traceback))
        self.finish(config, "failed", why)

    def write_result(self, result: Mapping[str, Any]) -> None:
        self._keep(lambda: self._write_json("result.json", result))

    def config(self) -> dict[str, Any]:
        """``config.json`` as written.

        Raises:
            RecordMismatch: it is missing or not JSON.
        """
        found = _read_json(self.path / "config.json")
        if found is None:
            raise RecordMismatch(f"{self.path / 'config.json'}: must exist, got nothing there")
        return found

    def result(self) -> dict[str, Any] | None:
        """``result.json`` as written; None where there is none."""
        try:
            return read_result(self.path)
        except OSError as error:
            raise _unreadable(self.path / "result.json", error) from error

    def _write_history(self, config: TrialConfig, history: Sequence[Mapping[str, Any]]) -> None:
        result = self.result() or _new_result(config)
        result["history"] = list(history)
        result["best_epoch"] = best_epoch(history, config.best.metric)
        self._write_json("result.json", result)
        self._write(self.path / "metrics.tsv", metrics_tsv(history))

    def _link(self, source: Path, target: Path) -> None:
        beside = target.with_name(f".{target.name}.{self._mark}.tmp")
        beside.unlink(missing_ok=True)
        try:
            os.link(source, beside)
        except OSError:  # no hard links on this file system
            write_atomically(target, source.read_bytes(), mark=self._mark)
        else:
            os.replace(beside, target)

    def _keep(self, act: Callable[[], None]) -> None:
        """Do it if this writer is still wanted, again and again while the storage refuses."""

        def attempt() -> None:
            with as_storage_failure(self.path):
                self._check_fence()
                act()

        retry_storage(attempt, seconds=self._io_timeout)

    def _write_json(self, name: str, value: Mapping[str, Any]) -> None:
        self._write(self.path / name, to_json(value))

    def _write(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._check_fence()
        write_atomically(path, text.encode(), mark=self._mark)

    def _check_fence(self) -> None:
        if self._fence is not None:
            self._fence()


def open_trial_dir(run: RunDir, index: int, *, lease: Lease | None = None) -> TrialDir:
    """Return the folder of trial ``index`` of a run directory; with a lease, writes are fenced."""
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
    """The history as tab-separated text; floats round-trip."""
    lines = ["\t".join(COLUMNS)]
    lines += ["\t".join(_cell(record[name]) for name in COLUMNS) for record in history]
    return "\n".join(lines) + "\n"


def to_json(value: Mapping[str, Any]) -> str:
    """Readable JSON; raises on NaN and on anything that is not plain."""
    return json.dumps(value, indent=1, allow_nan=False) + "\n"


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


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        return read_object(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> RunFailure | RecordMismatch:
    """Storage that refuses for a while is tried again; anything else is damage."""
    if error.errno in STORAGE_ERRORS:
        return StorageFailure(f"{path}: must be readable, got {error.strerror}")
    return RecordMismatch(f"{path}: must be readable JSON, got {error}")
