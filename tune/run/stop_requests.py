"""Requests to a running driver from other processes, as files in the run directory.

A file holds ``{"stop": 17}`` to stop a trial, or ``{"stop": null}`` to drain the sweep. The driver
journals the request, then removes the file.
"""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

from genretune.tune.errors import DamagedRecord
from genretune.tune.storage.atomic_io import as_storage_failure, write_atomically
from genretune.tune.storage.run_dir import RunDir
from genretune.tune.storage.untrusted import read_json_object


def request_stop(run: RunDir, trial: int | None) -> Path:
    """Request the driver to stop a trial, or to drain the sweep; return the request's file.

    The file disappears once the driver has processed the request.

    Args:
        trial: None drains the sweep.

    Raises:
        StorageFailure: the run directory cannot be written.
        DamagedRecord: the folder of requests is a symbolic link.
    """
    folder = _folder(run)
    # Names sort by time, so that requests are processed in the order they were made.
    path = folder / f"{time.time_ns()}-{os.getpid()}.json"
    if folder.is_symlink():
        raise DamagedRecord(f"{folder}: must be a folder of the run, got a symbolic link")
    with as_storage_failure(folder):
        folder.mkdir(exist_ok=True)
        write_atomically(path, json.dumps({"stop": trial}).encode())
    return path


def stop_requests(run: RunDir) -> Iterator[tuple[Path, int | None]]:
    """Yield (file, trial) of the pending requests, oldest first; None drains the sweep.

    Files that are not requests are skipped.
    """
    for path in sorted(_folder(run).glob("[0-9]*.json")):
        try:
            trial = read_json_object(path)["stop"]
        except (OSError, DamagedRecord, KeyError):
            continue
        if trial is None or type(trial) is int:  # a bool is an int, but names no trial
            yield path, trial


def discard_drain_requests(run: RunDir) -> None:
    """Remove drain requests that were meant for the previous driver.

    A driver calls this right after it has taken the lock: later requests are meant for it, and
    requests to stop a trial hold for any driver.
    """
    for path, trial in stop_requests(run):
        if trial is None:
            path.unlink(missing_ok=True)


def _folder(run: RunDir) -> Path:
    return run.path / "requests"
