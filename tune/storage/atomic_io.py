"""Files written whole, and storage that fails for a while."""

import errno
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from genretune.tune.errors import RunFailure

_Result = TypeVar("_Result")

# What a full, lost, read-only or stale file system answers; never the fault of a trial.
STORAGE_ERRORS = frozenset(
    {
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EFBIG,
        errno.EIO,
        errno.EROFS,
        errno.ESTALE,
        errno.ENOTCONN,
        errno.ETIMEDOUT,
        errno.EREMOTEIO,
    }
)
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 10.0  # s


class StorageFailure(RunFailure):
    """The storage refuses to be read or written: nobody's fault, so it is tried again."""


def write_atomically(path: Path, content: bytes, *, mark: str = "") -> None:
    """Write beside, fsync, rename, fsync the folder: ``path`` is never seen half-written."""
    beside = path.with_name(f".{path.name}.{mark or os.getpid()}.tmp")
    try:
        with open(beside, "wb", opener=_own) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _own(path: str, flags: int) -> int:
    """Open a file, not what a link in its place leads to."""
    return os.open(path, flags | os.O_NOFOLLOW, 0o666)


@contextmanager
def as_storage_failure(path: Path) -> Iterator[None]:
    """Turns the operating system's refusals into a StorageFailure of one line."""
    try:
        yield
    except OSError as error:
        raise StorageFailure(
            f"{error.filename or path}: must be readable and writable, got "
            f"{error.strerror or error} (free or mount the storage, then resume)"
        ) from error


def retry_storage(
    act: Callable[[], _Result], *, seconds: float, check: Callable[[], None] = lambda: None
) -> _Result:
    """``act()``, again and again while the storage refuses.

    Args:
        seconds: how long to go on; 0 for one attempt.
        check: called before each new attempt; raises to leave early.

    Raises:
        StorageFailure: it refused all that time.
    """
    end = time.monotonic() + seconds
    pause = _FIRST_PAUSE
    while True:
        try:
            return act()
        except StorageFailure:
            if time.monotonic() + pause > end:
                raise
        wake = time.monotonic() + pause
        while time.monotonic() < wake:
            check()
            time.sleep(0.1)
        pause = min(2 * pause, _LONGEST_PAUSE)
