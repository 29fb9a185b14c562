"""What to suggest for a name that is not known: one rule for every folder.

The one module of ``data`` that ``models`` imports, so that all messages word it alike.
"""

import difflib
from collections.abc import Iterable

from genretune.data.errors import shown

_LISTED = 12


def closest_name(given: object, known: Iterable[str]) -> str | None:
    """Return the known name closest to ``given``, case aside; None when none is close.

    A name that ``given`` begins (three letters at least) is closest of all.
    """
    text = str(given).lower()
    names = {name.lower(): name for name in known}
    begun = [name for lower, name in names.items() if len(text) > 2 and lower.startswith(text)]
    if begun:
        return begun[0]
    close = difflib.get_close_matches(text, list(names), n=1)
    return names[close[0]] if close else None


def did_you_mean(given: object, known: Iterable[str]) -> str:
    """Advice for a message: ``did you mean 'x'?``, or what is known where nothing is close."""
    names = list(known)
    if (close := closest_name(given, names)) is not None:
        return f"did you mean {shown(close)!r}?"
    some = ", ".join(shown(name) for name in names[:_LISTED])
    return f"known: {some}{', ...' if len(names) > _LISTED else ''}"
