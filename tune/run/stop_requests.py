"""What other processes ask of a running driver: files in the run directory, each written whole.

A file holds ``{"stop": 17}`` for a trial, or ``{"stop": null}`` to drain the sweep. The driver
does it, journals it, and removes the file.
"""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

from genretune.tune.errors import DamagedRecord
from genretune.tune.storage.atomic_io import as_storage_failure, write_atomically
from genretune.tune.storage.run_dir import RunDir
from genretune.tune.storage.untrusted import read_object

Stop = int | None


def request_stop(run: RunDir, trial: Stop) -> Path:
    """Leave a request for whoever drives; the file is gone once it was heard.

    Raises:
        StorageFailure: the run directory cannot be written.
    """
    folder = _folder(run)
    path = folder / f"{time.time_ns()}-{os.getpid()}.json"
    if folder.is_symlink():
        raise DamagedRecord(f"{folder}: must be a folder of the run, got a link")
    with as_storage_failure(folder):
        folder.mkdir(exist_ok=True)
        write_atomically(path, json.dumps({"stop": trial}).encode())
    return path


def stop_requests(run: RunDir) -> Iterator[tuple[Path, Stop]]:
    """What was asked, in order; a file that is no request is passed over."""
    for path in sorted(_folder(run).glob("[0-9]*.json")):
        try:
            trial = read_object(path)["stop"]
        except (OSError, DamagedRecord, KeyError):
            continue
        if trial is None or type(trial) is int:
            yield path, trial


def discard_drain_requests(run: RunDir) -> None:
    """Remove wishes to drain that were meant for the driver before the one that begins now.

    To be called as soon as the directory is held: what is asked from then on is this driver's.
    """
    for path, trial in stop_requests(run):
        if trial is None:
            path.unlink(missing_ok=True)


def _folder(run: RunDir) -> Path:
    return run.path / "requests"
