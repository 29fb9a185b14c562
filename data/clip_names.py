"""Canonical clip names, and the canonical list of GTZAN.

A clip's canonical name does not depend on the mirror it came from: ``genres/jazz/jazz.00012.au``
and ``Data/genres_original/jazz/jazz.00012.wav`` are both ``jazz.00012``. Other files are called
by their path below the corpus, without the extension: ``jazz/So What``.
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
"""Clips a genre: numbers 0 to 99."""

GTZAN_LEAST = 80
"""With fewer clips than this in any genre a corpus is not taken for GTZAN (see `is_gtzan`)."""


def gtzan_names() -> tuple[str, ...]:
    """The 1,000 canonical names of GTZAN, sorted."""
    return tuple(f"{genre}.{n:05d}" for genre in GTZAN_GENRES for n in range(GTZAN_CLIPS))


def is_gtzan(names: Sequence[str], labels: Sequence[str]) -> bool:
    """Whether a corpus is GTZAN, judged by what it is, never by where it lies.

    It is when its classes are exactly the ten genres, every clip is called ``genre.NNNNN`` with
    a number from 0 to 99 and its own genre in front, and each genre has at least 80 of its 100
    clips. Some missing clips leave it GTZAN (its folds are decided on the full list, so they do
    not move); a small corpus that only borrows the genres and names is a corpus of its own and
    gets folds that are stratified over the clips it has.
    """
    if set(labels) != set(GTZAN_GENRES):
        return False
    known = set(gtzan_names())
    if len(set(names)) != len(names) or not known.issuperset(names):
        return False
    if any(name.split(".")[0] != label for name, label in zip(names, labels, strict=True)):
        return False
    return min(Counter(labels).values()) >= GTZAN_LEAST


def printable_utf8(text: str) -> str:
    """Composed Unicode (NFC) without lone surrogates, so that every system spells it the same.

    Bytes of a file name that are not UTF-8 become ``\\xNN``.
    """
    safe = os.fsencode(text).decode("utf-8", "backslashreplace")
    return unicodedata.normalize("NFC", safe)


def canonical_name(file: str, label: str) -> str:
    """Canonical name of a file given by its path below the corpus (with `/`) and its class."""
    path = PurePosixPath(printable_utf8(file))
    numbered = re.fullmatch(re.escape(label) + r"[._-]?(\d{1,5})", path.stem, re.ASCII)
    if numbered:
        return f"{label}.{int(numbered.group(1)):05d}"
    return str(path.with_suffix("")) if path.suffix else str(path)


def canonical_names(files: Sequence[str], labels: Sequence[str]) -> tuple[str, ...]:
    """Canonical names, made unique: files that would share one keep their whole path."""
    names = [canonical_name(file, label) for file, label in zip(files, labels, strict=True)]
    count = Counter(names)
    whole = [
        printable_utf8(file) if count[name] > 1 else name
        for file, name in zip(files, names, strict=True)
    ]
    taken: Counter[str] = Counter()
    unique = []
    for name in whole:
        taken[name] += 1
        unique.append(name if taken[name] == 1 else f"{name}#{taken[name]}")
    return tuple(unique)
