"""The driver's lock on a run directory: one process, named in ``driver.json``.

``driver.json`` says who holds the directory and carries a generation that grows with every driver.
The generation, not the lock, fences off the workers of an earlier driver: they may outlive it.
"""

import json
import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock, Timeout

from genretune.tune.errors import TuneError
from genretune.tune.storage.atomic_io import StorageFailure, write_atomically
from genretune.tune.storage.untrusted import check_schema, read_json_object, refuse_links

DRIVER_JSON = "driver.json"
Holder = Mapping[str, Any]
_LOCK_TIMEOUT = 10.0  # s
_CLOCK_DRIFT = 5.0  # s by which a process's start time may differ between two readings


def read_holder(run: Path) -> dict[str, Any]:
    """Return the current or last holder of a run directory; generation 0 before the first.

    Raises:
        DamagedRecord: ``driver.json`` is damaged.
        StorageFailure: it cannot be read.
    """
    path = run / DRIVER_JSON
    try:
        holder = read_json_object(path)
    except FileNotFoundError:
        return {"generation": 0, "pid": None}
    except OSError as error:
        # Not generation 0: generations would begin again below those of workers that still run,
        # and fence nothing.
        raise StorageFailure(f"{path}: must be readable, got {error.strerror or error}") from error
    check_schema("holder", holder, run / DRIVER_JSON)
    return {"host": "", "started": 0.0} | holder


def is_held(holder: Holder) -> bool:
    """Return whether the holder is alive; one on another host counts as alive."""
    if holder.get("pid") is None:
        return False
    if holder["host"] != platform.node():
        return True
    return _is_running(int(holder["pid"]), float(holder["started"]))


@contextmanager
def hold_lock(run: Path, *, takeover: bool) -> Iterator[int]:
    """Hold a run directory for a ``with`` block; see ``RunDir.drive``."""
    generation = _acquire(run, takeover)
    try:
        yield generation
    finally:
        # Best effort: a dead process is recognised without it.
        with suppress(OSError, StorageFailure):
            holder = read_holder(run)
            # Checked again, because a driver on another host may have taken over in the meantime:
            # releasing then would unlock the directory under the new driver.
            if holder["generation"] == generation:
                _write_holder(run, holder | {"pid": None})


def _acquire(run: Path, takeover: bool) -> int:
    """Make this process the holder and return its generation."""
    refuse_links(run)
    # Before locking, so that a refused command leaves no lock file behind ...
    _refuse_if_held(run, takeover)
    try:
        with FileLock(run / ".driver.lock", timeout=_LOCK_TIMEOUT):
            # ... and again under the lock, since two drivers can both pass the first check and
            # would then share a generation. The file lock only serialises this update; who holds
            # the directory is in driver.json, which other hosts and later drivers can read.
            holder = read_holder(run)
            _refuse_if_held(run, takeover)
            generation = int(holder["generation"]) + 1
            _write_holder(
                run,
                {
                    "generation": generation,
                    "host": platform.node(),
                    "pid": os.getpid(),
                    "started": psutil.Process().create_time(),
                },
            )
            return generation
    except Timeout as error:
        raise TuneError(
            f"{run}: is being taken by another driver (try again in a moment)"
        ) from error
    except NotImplementedError as error:
        raise TuneError(
            f"{run}: must be on a file system with file locks, got one without "
            "(mount it with locks, or choose another --out)"
        ) from error
    except OSError as error:
        raise StorageFailure(
            f"{error.filename or run}: must be writable, got {error.strerror or error}"
        ) from error


def _refuse_if_held(run: Path, takeover: bool) -> None:
    """Raise TuneError if another process holds the directory and must not lose it."""
    holder = read_holder(run)
    if not is_held(holder):
        return
    elsewhere = holder["host"] != platform.node()
    if elsewhere and takeover:
        return
    advice = "--takeover once it is known to be gone" if elsewhere else "wait for it, or stop it"
    raise TuneError(f"{run}: in use by process {holder['pid']} on {holder['host']} ({advice})")


def _write_holder(run: Path, holder: Holder) -> None:
    write_atomically(run / DRIVER_JSON, json.dumps(holder).encode())


def _is_running(pid: int, started: float) -> bool:
    """Return whether process ``pid``, started at ``started`` (s since the epoch), is running.

    The start time tells it from a later process with the same number. A zombie has ended.
    """
    try:
        process = psutil.Process(pid)
        return (
            abs(process.create_time() - started) < _CLOCK_DRIFT
            and process.status() != psutil.STATUS_ZOMBIE
        )
    except psutil.Error:
        return False
