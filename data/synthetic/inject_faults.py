"""Injecting faults, duplicates and groups into a synthetic corpus, for a scan to find.

Injected files replace clips from the end of each class; duplicates are copies of clips from its
beginning. The same arguments write the same bytes into the same files.
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
from genretune.data.errors import DataError, printable_line
from genretune.data.name_suggestions import did_you_mean

COPIES = ("exact", "near", "exact-across", "near-across")
"""Copies of a recording: in its own or another class; near ones with gain and offset."""

GROUPS = "groups"
"""Kind that writes a manifest.csv with groups of two clips and artists of four clips."""


@dataclass(frozen=True)
class InjectedFault:
    """A fault and its file; ``original`` is the file that a duplicate was copied from."""

    kind: str
    file: str
    original: str | None = None


def parse_fault_counts(texts: Sequence[str]) -> dict[str, int]:
    """Return counts by kind of ``KIND`` and ``KIND=N``, also comma-separated; ``all`` is one each.

    Raises:
        DataError: a kind is unknown, or a count is below one.
    """
    counts: dict[str, int] = {}
    for item in (part.strip() for text in texts for part in text.split(",")):
        kind, _, number = item.partition("=")
        if kind == "all":
            counts |= dict.fromkeys([*FAULTS, *COPIES, GROUPS], 1)
            continue
        if kind not in (*FAULTS, *COPIES, GROUPS):
            hint = did_you_mean(kind, ["all", *FAULTS, *COPIES, GROUPS])
            raise DataError(f"--plant: must be a known kind, got {printable_line(kind)!r} ({hint})")
        if number and (not number.isdecimal() or int(number) < 1):
            raise DataError(f"--plant: must be KIND=N with N from 1, got {printable_line(item)!r}")
        counts[kind] = int(number or 1)
    return counts


def inject_faults(
    directory: Path, counts: Mapping[str, int], *, clips: int, rate: int
) -> list[InjectedFault]:
    """Inject faults into a corpus that was just written, and list them in its planted.json.

    Args:
        counts: number of faults by kind.
        clips: files per genre.
        rate: sample rate of the corpus in Hz.

    Raises:
        DataError: there are too few clips.
    """
    kinds = [kind for kind, n in counts.items() if kind != GROUPS for _ in range(n)]
    half = clips // 2  # the other half stays intact, as the originals of copies
    if len(kinds) > half * len(GTZAN_GENRES):
        raise DataError(
            f"--plant: must be at most {half * len(GTZAN_GENRES)} faults in a corpus of this size, "
            f"got {len(kinds)} (raise --clips)"
        )
    targets = [(i, n) for n in range(clips - 1, clips - 1 - half, -1) for i in range(10)]
    injected = []
    for (genre, n), kind in zip(targets, kinds, strict=False):
        file = _file(genre, n)
        if kind in FAULTS:
            FAULTS[kind](directory / file, rate)
            injected.append(InjectedFault(kind, file))
        else:
            source = _file(genre + 1 if kind.endswith("across") else genre, clips - 1 - n)
            _copy(directory, source, file, near=kind.startswith("near"))
            injected.append(InjectedFault(kind, file, source))
    if GROUPS in counts:
        _write_groups(directory, clips)
    facts = [{k: v for k, v in vars(item).items() if v is not None} for item in injected]
    (directory / "planted.json").write_text(json.dumps(facts, indent=2) + "\n")
    return injected


def _file(genre: int, n: int) -> str:
    name = GTZAN_GENRES[genre % len(GTZAN_GENRES)]
    return f"{name}/{name}.{n:05d}.wav"


def _copy(directory: Path, source: str, target: str, *, near: bool) -> None:
    if not near:
        (directory / target).write_bytes((directory / source).read_bytes())
        return
    sound, rate = soundfile.read(directory / source, dtype="int16")
    other, _ = soundfile.read(directory / target, dtype="int16")
    offset = len(sound) // 5
    moved = np.concatenate([sound[offset:], other[:offset]]).astype(np.float64) * 0.5
    _write(directory / target, np.rint(moved).astype(np.int16), rate)


def _write(path: Path, samples: NDArray[np.int16], rate: int) -> None:
    soundfile.write(path, samples, rate, subtype="PCM_16", format="WAV")


def _not_audio(path: Path, rate: int) -> None:
    path.write_bytes(b"This is not audio.\n" * 40)


def _truncated(path: Path, rate: int) -> None:
    whole = path.read_bytes()
    # The header (44 bytes) and half of the samples, cut between two of them.
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
    _clear_peak_time(path)


def _clear_peak_time(path: Path) -> None:
    """Zero the time of writing in a float WAV's PEAK chunk, which would differ between runs."""
    data = bytearray(path.read_bytes())
    at = data.find(b"PEAK")
    if at >= 0:
        data[at + 12 : at + 16] = b"\0\0\0\0"
        path.write_bytes(bytes(data))


def _write_groups(directory: Path, clips: int) -> None:
    """Write a manifest in which clips 0 and 1 of a class are a group, 2 and 3 the next, and so on.

    Two groups in a row are by one artist.
    """
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
"""Functions that damage the clip at a path, by kind of fault."""
