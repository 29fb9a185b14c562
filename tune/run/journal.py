"""The journal of a sweep: an append-only file of events, one JSON object per line.

It is the only source of truth: the state of a sweep is derived from it, and a driver writes an
event here before it acts upon it.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from pydantic import ValidationError

from genretune.tune.errors import DamagedRecord, RunFailure
from genretune.tune.storage.run_dir import RunDir
from genretune.tune.storage.untrusted import read_file
from genretune.tune.sweep.events import Event, from_line, to_line


def read_journal(path: Path) -> list[Event]:
    """Return all events.

    A torn last line, one without its newline, is left out: it was never acted upon.

    Raises:
        DamagedRecord: a line is not an event; names its number.
    """
    return _parse(_complete_lines(path), path)


def read_events(run: RunDir) -> list[Event]:
    """Return the events of a run directory; none before its first driver has started.

    Raises:
        DamagedRecord: as ``read_journal``.
    """
    return read_journal(run.journal) if run.journal.exists() else []


class Journal:
    """A journal opened for appending.

    Attributes:
        path: of the file.
        events: those that it held when it was opened.
    """

    def __init__(self, path: Path) -> None:
        """Open or create the file, and cut off a torn last line.

        Raises:
            DamagedRecord: a line is not an event; names its number.
        """
        self.path = path
        content = _complete_lines(path) if path.exists() else b""
        self.events: list[Event] = _parse(content, path)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        # Without the cut, the next event would be written onto the torn line and damage both.
        os.ftruncate(self._file, len(content))
        os.lseek(self._file, len(content), os.SEEK_SET)
        os.fsync(self._file)
        self._size = len(content)
        self._torn = b""  # what a failed append may have written after ``_size``
        # The file may be new: until its directory is synced, a power cut can remove it.
        _sync_directory(path.parent)

    def append(self, events: Sequence[Event]) -> None:
        """Write the events and return once they are on disk; one fsync for all of them.

        Raises:
            OSError: writing failed; none of the events is in the file, so a caller may retry.
            RunFailure: another process has written to the file.
        """
        if not events:
            return
        data = "".join(to_line(event) + "\n" for event in events).encode()
        self._drop_torn_tail()
        size = self._size
        # Fencing: a driver that was taken over, but does not know it yet, must not write over the
        # events of its successor.
        if (actual := os.fstat(self._file).st_size) != size:
            raise RunFailure(
                f"{self.path}: must be written by one driver only, got {actual} bytes instead of "
                f"the {size} of this one (another driver has taken over)"
            )
        try:
            remaining = memoryview(data)
            while remaining:
                remaining = remaining[os.write(self._file, remaining) :]
            os.fsync(self._file)
        except OSError:
            # A full disk writes part of the events: drop it, or a retry would append after it.
            # On a file system that is away dropping fails as well; the retry then begins with it.
            self._torn = data
            with suppress(OSError):
                self._drop_torn_tail()
            raise
        self._size += len(data)

    def _drop_torn_tail(self) -> None:
        """Cut off what a failed ``append`` has written, unless another driver has written since."""
        tail = os.pread(self._file, len(self._torn) + 1, self._size) if self._torn else b""
        if self._torn and self._torn.startswith(tail):
            os.ftruncate(self._file, self._size)
            os.lseek(self._file, self._size, os.SEEK_SET)
            self._torn = b""

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _complete_lines(path: Path) -> bytes:
    """Return the content of the file up to its last newline."""
    data = read_file(path)
    return data[: data.rfind(b"\n") + 1]


def _parse(data: bytes, path: Path) -> list[Event]:
    events: list[Event] = []
    for number, line in enumerate(data.split(b"\n")[:-1], start=1):
        try:
            events.append(from_line(line))
        except (ValueError, RecursionError) as error:
            reason = str(error)
            if isinstance(error, ValidationError):
                reason = error.errors(include_url=False)[0]["msg"]
            raise DamagedRecord(
                f"{path}:{number}: must be an event, got {line[:40].decode(errors='replace')!r} "
                f"({reason})"
            ) from None
    return events


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
