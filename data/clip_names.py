"""Canonical clip names, and the canonical list of GTZAN.

A clip's canonical name does not depend on the mirror it came from: ``genres/jazz/jazz.00012.au``
and ``Data/genres_original/jazz/jazz.00012.wav`` are both ``jazz.00012``. The name of any other
file is its path below the corpus without the extension: ``jazz/So What``.
"""

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

GTZAN_GENRES = (
    "blues",
    "classical",
    "country",
    "disco",
    "hiphop",
    "jazz",
    "metal",
    "pop",
    "reggae",
    "rock",
)
"""The ten genres of Tzanetakis and Cook (2002), in alphabetical order."""

GTZAN_CLIPS = 100
"""Clips per genre, numbered from 0 to 99."""

GTZAN_MIN_CLIPS = 80
"""Clips per genre below which a corpus is not recognised as GTZAN (see ``is_gtzan``)."""


def gtzan_names() -> tuple[str, ...]:
    """Return the 1,000 canonical names of GTZAN, sorted."""
    return tuple(f"{genre}.{n:05d}" for genre in GTZAN_GENRES for n in range(GTZAN_CLIPS))


def is_gtzan(names: Sequence[str], labels: Sequence[str]) -> bool:
    """Return whether a corpus is GTZAN, judged by its contents and never by its path.

    Its classes must be exactly the ten genres, every clip must be called ``genre.NNNNN`` with its
    own genre and a number from 0 to 99, and each genre must have at least 80 of its 100 clips. A
    GTZAN with some clips missing is still GTZAN: its folds are computed over the full list, so no
    clip changes fold. A small corpus that only shares the genres and names is a corpus of its own,
    and its folds are stratified over the clips it has.
    """
    if set(labels) != set(GTZAN_GENRES):
        return False
    known = set(gtzan_names())
    if len(set(names)) != len(names) or not known.issuperset(names):
        return False
    if any(name.split(".")[0] != label for name, label in zip(names, labels, strict=True)):
        return False
    return min(Counter(labels).values()) >= GTZAN_MIN_CLIPS


def printable_utf8(text: str) -> str:
    """Return composed Unicode (NFC) without lone surrogates, the same on every system.

    Bytes of a file name that are not UTF-8 become ``\\xNN``.
    """
    safe = os.fsencode(text).decode("utf-8", "backslashreplace")
    return unicodedata.normalize("NFC", safe)


def canonical_name(file: str, label: str) -> str:
    """Return the canonical name of a file from its path below the corpus (with ``/``) and class."""
    path = PurePosixPath(printable_utf8(file))
    numbered = re.fullmatch(re.escape(label) + r"[._-]?(\d{1,5})", path.stem, re.ASCII)
    if numbered:
        return f"{label}.{int(numbered.group(1)):05d}"
    return str(path.with_suffix("")) if path.suffix else str(path)


def canonical_names(files: Sequence[str], labels: Sequence[str]) -> tuple[str, ...]:
    """Return unique canonical names: files that would share one keep their path and extension."""
    names = [canonical_name(file, label) for file, label in zip(files, labels, strict=True)]
    count = Counter(names)
    candidates = [
        printable_utf8(file) if count[name] > 1 else name
        for file, name in zip(files, names, strict=True)
    ]
    used: Counter[str] = Counter()
    unique = []
    for name in candidates:
        used[name] += 1
        unique.append(name if used[name] == 1 else f"{name}#{used[name]}")
    return tuple(unique)
