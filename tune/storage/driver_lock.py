"""Who drives a run directory: one process, named in ``driver.json`` with a growing generation."""

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
from genretune.tune.storage.untrusted import check_shape, read_object, refuse_links

DRIVER_JSON = "driver.json"
Holder = Mapping[str, Any]


def read_holder(run: Path) -> dict[str, Any]:
    """Who drives, or last drove, a run directory; generation 0 before the first.

    Raises:
        DamagedRecord: ``driver.json`` does not say.
    """
    try:
        holder = read_object(run / DRIVER_JSON)
    except OSError:
        return {"generation": 0, "pid": None}
    check_shape("holder", holder, run / DRIVER_JSON)
    return {"host": "", "started": 0.0} | holder


def is_held(holder: Holder) -> bool:
    """Whether the holder lives, as far as can be seen from this machine."""
    if holder.get("pid") is None:
        return False
    if holder["host"] != platform.node():
        return True
    return _alive(int(holder["pid"]), float(holder["started"]))


@contextmanager
def hold(run: Path, *, takeover: bool) -> Iterator[int]:
    """Hold a run directory for a ``with`` block; see ``RunDir.drive``."""
    generation = _take(run, takeover)
    try:
        yield generation
    finally:
        holder = read_holder(run)
        if holder["generation"] == generation:
            with suppress(OSError):  # a dead holder is found out anyway
                _write(run, holder | {"pid": None})


def _take(run: Path, takeover: bool) -> int:
    refuse_links(run)
    _check_gone(run, takeover)  # a refusal leaves no trace
    try:
        with FileLock(run / ".driver.lock", timeout=10):
            holder = read_holder(run)
            _check_gone(run, takeover)
            generation = int(holder["generation"]) + 1
            _write(
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
            f"{run}: must lie where files can be locked, got a file system that cannot "
            "(mount it with locks, or choose another --out)"
        ) from error
    except OSError as error:
        raise StorageFailure(
            f"{error.filename or run}: must be writable, got {error.strerror or error}"
        ) from error


def _check_gone(run: Path, takeover: bool) -> None:
    holder = read_holder(run)
    if not is_held(holder):
        return
    elsewhere = holder["host"] != platform.node()
    if elsewhere and takeover:
        return
    advice = "--takeover once it is known to be gone" if elsewhere else "wait for it, or end it"
    raise TuneError(f"{run}: in use by process {holder['pid']} on {holder['host']} ({advice})")


def _write(run: Path, holder: Holder) -> None:
    write_atomically(run / DRIVER_JSON, json.dumps(holder).encode())


def _alive(pid: int, started: float) -> bool:
    """Whether process ``pid``, begun at ``started`` (s; clocks drift), runs; a zombie does not."""
    try:
        process = psutil.Process(pid)
        return (
            abs(process.create_time() - started) < 5.0 and process.status() != psutil.STATUS_ZOMBIE
        )
    except psutil.Error:
        return False
