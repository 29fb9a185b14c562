"""Suggestions for an unknown name: one rule for every folder.

The only module of ``data`` that ``models`` imports, so that all messages use the same wording.
"""

import difflib
from collections.abc import Iterable

from genretune.data.errors import printable_line

_MAX_LISTED = 12


def closest_name(name: object, known: Iterable[str]) -> str | None:
    """Return the known name closest to ``name``, ignoring case, or None if none is close.

    A known name that starts with ``name`` (at least three letters) wins over a similar one.
    """
    text = str(name).lower()
    names = {known_name.lower(): known_name for known_name in known}
    completions = [
        known_name
        for lower, known_name in names.items()
        if len(text) > 2 and lower.startswith(text)
    ]
    if completions:
        return completions[0]
    close = difflib.get_close_matches(text, list(names), n=1)
    return names[close[0]] if close else None


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """Return ``did you mean 'x'?`` for a message, or a list of known names if none is close."""
    names = list(known)
    if (close := closest_name(name, names)) is not None:
        return f"did you mean {printable_line(close)!r}?"
    listed = ", ".join(printable_line(known_name) for known_name in names[:_MAX_LISTED])
    return f"known: {listed}{', ...' if len(names) > _MAX_LISTED else ''}"
