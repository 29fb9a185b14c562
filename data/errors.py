"""What can go wrong with data, as the user sees it.

    DataError              exit 2: wrong path, wrong setting, unusable corpus
    └── SamplesChanged     exit 5: the data is not what the record says

Messages are one line: ``where: rule, got value (what to do)``.
"""

from typing import ClassVar


class DataError(Exception):
    """The data or a setting about data cannot be used; the message is one line."""

    exit_code: ClassVar[int] = 2


class SamplesChanged(DataError):
    """The samples are not those that a record was made from."""

    exit_code: ClassVar[int] = 5


def shown(text: object, most: int = 120) -> str:
    """One printable line for a name that may hold newlines, escapes or broken UTF-8."""
    line = str(text).encode("utf-8", "backslashreplace").decode("utf-8")
    line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)
    return line if len(line) <= most else line[: most - 1] + "…"
