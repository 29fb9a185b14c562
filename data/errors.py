"""Errors about data, and text that is safe to print in their messages.

    DataError              exit 2: wrong path, wrong setting, unusable corpus
    └── SamplesChanged     exit 5: the data differs from what a record was made with

Messages are one line: ``where: rule, got value (what to do)``.
"""

from typing import ClassVar


class DataError(Exception):
    """Data that cannot be used, or an invalid setting about data; the message is one line."""

    exit_code: ClassVar[int] = 2


class SamplesChanged(DataError):
    """Samples that differ from those a record was made with."""

    exit_code: ClassVar[int] = 5


def printable_line(text: object, limit: int = 120) -> str:
    """Return a name as one printable line of at most ``limit`` characters.

    Newlines, control characters and bytes that are not UTF-8 are escaped, so that a file name
    can neither break a message into lines nor control a terminal.
    """
    line = str(text).encode("utf-8", "backslashreplace").decode("utf-8")
    line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)
    return line if len(line) <= limit else line[: limit - 1] + "…"
