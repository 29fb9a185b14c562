"""Planting what a scan should find: faults, duplicates and groups in a synthetic corpus.

What is planted replaces clips from the end of each class; copies are made of clips from its
beginning. The same arguments plant the same bytes in the same files.
"""

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from genretune.data.clip_names import GTZAN_GENRES
from genretune.data.errors import DataError, shown
from genretune.data.name_suggestions import did_you_mean

COPIES = ("exact", "near", "exact-across", "near-across")
"""The same recording again: in its class or under another one, near with gain and offset."""

GROUPS = "groups"
"""A manifest.csv with the columns group (two clips each) and artist (four clips each)."""


@dataclass(frozen=True)
class Planted:
    """What lies where; `original` is the file that a copy is of."""

    kind: str
    file: str
    original: str | None = None


def parse_plants(given: Sequence[str]) -> dict[str, int]:
    """Counts by kind of `KIND` and `KIND=N`, also with commas; `all` is one of each.

    Errors: DataError for an unknown kind or a count below one.
    """
    counts: dict[str, int] = {}
    for word in (part.strip() for text in given for part in text.split(",")):
        kind, _, number = word.partition("=")
        if kind == "all":
            counts |= dict.fromkeys([*FAULTS, *COPIES, GROUPS], 1)
            continue
        if kind not in (*FAULTS, *COPIES, GROUPS):
            hint = did_you_mean(kind, ["all", *FAULTS, *COPIES, GROUPS])
            raise DataError(f"plant: a known kind, got {shown(kind)!r} ({hint})")
        if number and (not number.isdecimal() or int(number) < 1):
            raise DataError(f"plant: a count from 1, got {shown(word)!r}")
        counts[kind] = int(number or 1)
    return counts


def plant(directory: Path, counts: Mapping[str, int], *, clips: int, rate: int) -> list[Planted]:
    """Plant into a corpus that was just written; the list also goes to planted.json.

    Errors: DataError when there are not enough clips.
    """
    wanted = [kind for kind, n in counts.items() if kind != GROUPS for _ in range(n)]
    half = clips // 2
    if len(wanted) > half * len(GTZAN_GENRES):
        raise DataError(
            f"plant: at most {half * len(GTZAN_GENRES)} in a corpus of this size, "
            f"got {len(wanted)} (more --clips)"
        )
    places = [(i, n) for n in range(clips - 1, clips - 1 - half, -1) for i in range(10)]
    planted = []
    for (genre, n), kind in zip(places, wanted, strict=False):
        at = _file(genre, n)
        if kind in FAULTS:
            FAULTS[kind](directory / at, rate)
            planted.append(Planted(kind, at))
        else:
            source = _file(genre + 1 if kind.endswith("across") else genre, clips - 1 - n)
            _copy(directory, source, at, near=kind.startswith("near"))
            planted.append(Planted(kind, at, source))
    if GROUPS in counts:
        _write_groups(directory, clips)
    facts = [{k: v for k, v in vars(item).items() if v is not None} for item in planted]
    (directory / "planted.json").write_text(json.dumps(facts, indent=2) + "\n")
    return planted


def _file(genre: int, n: int) -> str:
    name = GTZAN_GENRES[genre % len(GTZAN_GENRES)]
    return f"{name}/{name}.{n:05d}.wav"


def _copy(directory: Path, source: str, target: str, *, near: bool) -> None:
    if not near:
        (directory / target).write_bytes((directory / source).read_bytes())
        return
    sound, rate = soundfile.read(directory / source, dtype="int16")
    other, _ = soundfile.read(directory / target, dtype="int16")
    later = len(sound) // 5
    moved = np.concatenate([sound[later:], other[:later]]).astype(np.float64) * 0.5
    _write(directory / target, np.rint(moved).astype(np.int16), rate)


def _write(path: Path, samples: NDArray[np.int16], rate: int) -> None:
    soundfile.write(path, samples, rate, subtype="PCM_16", format="WAV")


def _not_audio(path: Path, rate: int) -> None:
    path.write_bytes(b"This is not audio.\n" * 40)


def _truncated(path: Path, rate: int) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[: 44 + (len(whole) - 44) // 2 & ~1])


def _empty(path: Path, rate: int) -> None:
    _write(path, np.zeros(0, np.int16), rate)


def _silent(path: Path, rate: int) -> None:
    sound, _ = soundfile.read(path, dtype="int16")
    _write(path, np.zeros_like(sound), rate)


def _clipped(path: Path, rate: int) -> None:
    sound, _ = soundfile.read(path, dtype="int16")
    _write(path, np.clip(sound.astype(np.int32) * 12, -32768, 32767).astype(np.int16), rate)


def _wrong_length(path: Path, rate: int) -> None:
    sound, _ = soundfile.read(path, dtype="int16")
    _write(path, sound[: len(sound) // 3], rate)


def _nan(path: Path, rate: int) -> None:
    sound, _ = soundfile.read(path, dtype="float32")
    sound[len(sound) // 2] = np.nan
    soundfile.write(path, sound, rate, subtype="FLOAT", format="WAV")
    _settle_peak_chunk(path)


def _settle_peak_chunk(path: Path) -> None:
    """A float WAV holds the time of writing in its PEAK chunk; the same bytes are wanted."""
    data = bytearray(path.read_bytes())
    at = data.find(b"PEAK")
    if at >= 0:
        data[at + 12 : at + 16] = b"\0\0\0\0"
        path.write_bytes(bytes(data))


def _write_groups(directory: Path, clips: int) -> None:
    """Clips 0 and 1 of a class are a group, 2 and 3 the next; two groups are by one artist."""
    with (directory / "manifest.csv").open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["file", "label", "group", "artist"])
        for i, genre in enumerate(GTZAN_GENRES):
            for n in range(clips):
                groups = f"{genre}-{n // 2:04d}", f"{genre}-artist-{n // 4:04d}"
                table.writerow([_file(i, n), genre, *groups])


FAULTS: dict[str, Callable[[Path, int], None]] = {
    "not-audio": _not_audio,
    "truncated": _truncated,
    "empty": _empty,
    "silent": _silent,
    "clipped": _clipped,
    "wrong-length": _wrong_length,
    "nan": _nan,
}
"""What each fault does to a clip that is there."""
