"""Atomic file writes, and retries while storage fails temporarily."""

import errno
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from genretune.tune.errors import RunFailure

_Result = TypeVar("_Result")

# Errors of a file system that is full, lost, read-only or stale: infrastructure, never the trial.
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
_FIRST_DELAY, _MAX_DELAY = 0.25, 10.0  # s
_POLL_INTERVAL = 0.1  # s


class StorageFailure(RunFailure):
    """Storage that cannot be read or written: transient, so the operation is retried."""


def write_atomically(path: Path, content: bytes, *, mark: str = "", durable: bool = True) -> None:
    """Replace ``path`` by ``content``; a reader sees the old file or the new one, never a part.

    Args:
        mark: part of the temporary file's name, different for each concurrent writer of ``path``;
            the process id if empty.
        durable: whether it must survive a power failure.

    Raises:
        OSError: the file cannot be written; ``path`` is unchanged and no temporary file remains.
    """
    # In the same folder, because a rename is atomic only within one file system. The mark keeps
    # two writers, such as a lost worker and its successor, out of each other's temporary file.
    temporary = path.with_name(f".{path.name}.{mark or os.getpid()}.tmp")
    try:
        with open(temporary, "wb", opener=_open_no_follow) as file:
            file.write(content)
            file.flush()
            # Before the rename: otherwise a power failure can leave the new name on a file whose
            # content never reached the disk, with the old content already gone.
            if durable:
                os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    if not durable:
        return
    # The rename itself is an entry of the folder; until that is on disk, a power failure can bring
    # the old file back although the caller has already reported or journaled the new one.
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _open_no_follow(path: str, flags: int) -> int:
    """Open a file, but refuse a symbolic link.

    The temporary file's name is predictable: without ``O_NOFOLLOW``, a link of that name in
    somebody else's run directory would let a write truncate any file of this user.
    """
    return os.open(path, flags | os.O_NOFOLLOW, 0o666)


@contextmanager
def as_storage_failure(path: Path) -> Iterator[None]:
    """Convert an ``OSError`` of the ``with`` block to a one-line StorageFailure.

    Args:
        path: named in the message if the error has no file name of its own.
    """
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
    """Return ``act()``, retrying with growing delays while it raises StorageFailure.

    Args:
        act: must be safe to call again after a failure.
        seconds: for how long to retry; 0 for a single attempt.
        check: called about every 0.1 s between attempts; raises to stop retrying.

    Raises:
        StorageFailure: the last attempt within ``seconds`` failed as well.
    """
    end = time.monotonic() + seconds
    delay = _FIRST_DELAY
    while True:
        try:
            return act()
        except StorageFailure:
            if time.monotonic() + delay > end:
                raise
        next_attempt = time.monotonic() + delay
        # In short steps, so that Ctrl-C or a deadline need not wait for the whole delay.
        while time.monotonic() < next_attempt:
            check()
            time.sleep(_POLL_INTERVAL)
        delay = min(2 * delay, _MAX_DELAY)
