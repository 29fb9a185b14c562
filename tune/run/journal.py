"""The journal: an append-only file of events, one JSON object a line; the source of truth."""

import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from pydantic import ValidationError

from genretune.tune.errors import DamagedRecord, RunFailure
from genretune.tune.storage.untrusted import read_file
from genretune.tune.sweep.events import Event, from_line, to_line


def read_journal(path: Path) -> list[Event]:
    """All events; a torn last line (one without its end) was never acted upon and is left out.

    Raises:
        DamagedRecord: a line that is not an event, by its number.
    """
    return _parse(_whole(path), path)


class Journal:
    """The journal open for appending; a torn last line is cut off first."""

    def __init__(self, path: Path) -> None:
        """Open it, or make it.

        Raises:
            DamagedRecord: a line that is not an event, by its number.
        """
        self.path = path
        whole = _whole(path) if path.exists() else b""
        self.events: list[Event] = _parse(whole, path)
        """What it held when it was opened."""
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        os.ftruncate(self._file, len(whole))
        os.lseek(self._file, len(whole), os.SEEK_SET)
        os.fsync(self._file)
        _sync_directory(path.parent)

    def append(self, events: Sequence[Event]) -> None:
        """Write the events and wait until they are on disk: once a turn of the driver's loop.

        Raises:
            OSError: they could not be written; none of them is in the file, so it can be tried
                again.
            RunFailure: somebody else has written since.
        """
        if not events:
            return
        left = memoryview("".join(to_line(event) + "\n" for event in events).encode())
        size = os.lseek(self._file, 0, os.SEEK_CUR)
        if (found := os.fstat(self._file).st_size) != size:
            raise RunFailure(
                f"{self.path}: must be written by one driver only, got {found} bytes instead of "
                f"the {size} of this one (another has taken over)"
            )
        try:
            while left:
                left = left[os.write(self._file, left) :]
            os.fsync(self._file)
        except OSError:
            os.ftruncate(self._file, size)
            os.lseek(self._file, size, os.SEEK_SET)
            raise

    def close(self) -> None:
        """Let the file go."""
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


def _whole(path: Path) -> bytes:
    """Everything up to the last line's end."""
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
