"""The same recording twice: exact (equal samples) and near (another gain, offset or codec).

Near duplicates are found by their sound prints: equal prints at a constant distance in time vote
for a pair of clips, and a pair is confirmed when at most 18 % of the bits differ where the two
overlap (by 3 s, or by three quarters of the shorter clip). Measured on real music: the same
recording differs in 0-7 % of the bits, as MP3 of 40 kbit/s in 5-14 %; clips of different
recordings in 37 % or more at the distance that suits them best. Parts of one piece that repeat
the same bars lie between and are not reported unless the overlap is the same to this degree.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genretune.data.near_duplicate_hash import NOTHING

MOST_BITS = 0.18
OVERLAP_FRAMES = 128
LEAST_FRAMES = 12
VOTES = 3
COMMON = 40
"""Prints that occur more often than this in a corpus say nothing and are not looked up."""

MOST_KEYS = 8_000_000
"""Prints looked up at most; of larger corpora a sample is."""


@dataclass(frozen=True)
class Near:
    """Two clips of one recording; `later` by how many frames the second starts after the first."""

    first: str
    second: str
    similarity: float
    later: int


@dataclass(frozen=True)
class Duplicates:
    """Groups of clips with equal samples, and near pairs between clips that are not equal.

    Of a group of equals only the first (by name) appears in near pairs.
    """

    exact: tuple[tuple[str, ...], ...] = ()
    near: tuple[Near, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.exact or self.near)

    def superfluous(self, names: Sequence[str]) -> tuple[str, ...]:
        """Clips to drop so that of each recording one stays: the first by name."""
        first = self._first()
        twins = self._twins()
        kept: set[str] = set()
        out = []
        for name in sorted(names):
            own = first.get(name, name)
            if own in kept or not kept.isdisjoint(twins[own]):
                out.append(name)
            else:
                kept.add(own)
        return tuple(out)

    def between(self, one: Collection[str], other: Collection[str]) -> Iterator[tuple[str, str]]:
        """Pairs of clips, one on each side, that are the same recording."""
        first, twins = self._first(), self._twins()
        there: dict[str, str] = {}
        for name in sorted(other, reverse=True):
            there[first.get(name, name)] = name
        for name in sorted(one):
            own = first.get(name, name)
            for same in sorted({own, *twins[own]} & there.keys()):
                if there[same] != name:
                    yield name, there[same]

    def _first(self) -> dict[str, str]:
        return {name: group[0] for group in self.exact for name in group}

    def _twins(self) -> defaultdict[str, set[str]]:
        twins: defaultdict[str, set[str]] = defaultdict(set)
        for pair in self.near:
            twins[pair.first].add(pair.second)
            twins[pair.second].add(pair.first)
        return twins


def find_duplicates(
    names: Sequence[str], digests: Sequence[str], prints: Sequence[NDArray[np.uint32]]
) -> Duplicates:
    """Duplicates among clips given by name, samples' digest and sound print.

    Leave out faulty clips: two silent ones are no recording.
    """
    groups: dict[str, list[int]] = {}
    for i in sorted(range(len(names)), key=lambda i: names[i]):
        groups.setdefault(digests[i], []).append(i)
    exact = tuple(tuple(names[i] for i in group) for group in groups.values() if len(group) > 1)
    alone = [group[0] for group in groups.values()]
    found = _near([prints[i] for i in alone])
    near = [Near(names[alone[a]], names[alone[b]], like, later) for a, b, like, later in found]
    return Duplicates(exact, tuple(near))


def _near(prints: Sequence[NDArray[np.uint32]]) -> list[tuple[int, int, float, int]]:
    """(a, b, share of equal bits, frames b is later) of the pairs that are one recording."""
    best: dict[tuple[int, int], tuple[float, int]] = {}
    for a, b, shift in _candidates(prints):
        for later in (shift - 1, shift, shift + 1):
            like = _likeness(prints[a], prints[b], later)
            if like is not None and like > best.get((a, b), (0.0, 0))[0]:
                best[a, b] = like, later
    return [
        (a, b, like, later)
        for (a, b), (like, later) in sorted(best.items())
        if like >= 1.0 - MOST_BITS
    ]


def _likeness(a: NDArray[np.uint32], b: NDArray[np.uint32], later: int) -> float | None:
    """Share of equal bits where b, starting `later` frames after a, overlaps it long enough."""
    a, b = a[max(0, later) :], b[max(0, -later) :]
    frames = min(a.shape[0], b.shape[0])
    a, b = a[:frames], b[:frames]
    sounding = (a != NOTHING) & (b != NOTHING)
    heard = int(sounding.sum())
    if heard < LEAST_FRAMES:
        return None
    differ = int(np.bitwise_count(a[sounding] ^ b[sounding]).sum())
    return 1.0 - differ / (32.0 * heard)


def _needed(a: NDArray[np.uint32], b: NDArray[np.uint32]) -> int:
    return max(LEAST_FRAMES, min(OVERLAP_FRAMES, min(len(a), len(b)) * 3 // 4))


def _candidates(prints: Sequence[NDArray[np.uint32]]) -> Iterator[tuple[int, int, int]]:
    """(a, b, frames b is later) with enough votes and enough overlap, a < b."""
    keys, clip, at = _looked_up(prints)
    pairs, shifts = [], []
    for step in range(1, COMMON):
        same = np.flatnonzero(keys[step:] == keys[: max(0, keys.shape[0] - step)])
        if same.shape[0] == 0:
            break
        one, two = clip[same], clip[same + step]
        differ = one != two
        one, two = one[differ], two[differ]
        shift = at[same][differ] - at[same + step][differ]
        turned = one > two
        low, high = np.minimum(one, two), np.maximum(one, two)
        pairs.append(low * len(prints) + high)
        shifts.append(np.where(turned, -shift, shift))
    if not pairs:
        return
    width = 1 << 24
    votes = np.concatenate(pairs) * width + (np.concatenate(shifts) + width // 2)
    values, counts = np.unique(votes, return_counts=True)
    for value in values[counts >= VOTES].tolist():
        a, b = divmod(value // width, len(prints))
        later = value % width - width // 2
        overlap = min(len(prints[a]) - max(0, later), len(prints[b]) - max(0, -later))
        if overlap >= _needed(prints[a], prints[b]):
            yield a, b, later


def _looked_up(
    prints: Sequence[NDArray[np.uint32]],
) -> tuple[NDArray[np.uint32], NDArray[np.int64], NDArray[np.int64]]:
    """Prints with their clips and frames, sorted by print; common and empty ones left out."""
    lengths = [len(p) for p in prints]
    keys = np.concatenate([np.zeros(0, np.uint32), *prints])
    clip = np.repeat(np.arange(len(prints), dtype=np.int64), lengths)
    at = np.concatenate([np.zeros(0, np.int64), *(np.arange(n, dtype=np.int64) for n in lengths)])
    keep = keys != NOTHING
    every = -(-keys.shape[0] // MOST_KEYS)
    if every > 1:
        keep &= (keys * np.uint32(2654435761)) % np.uint32(every) == 0
    keys, clip, at = keys[keep], clip[keep], at[keep]
    order = np.argsort(keys, kind="stable")
    keys, clip, at = keys[order], clip[order], at[order]
    _, index, counts = np.unique(keys, return_inverse=True, return_counts=True)
    rare = (counts > 1) & (counts <= COMMON)
    wanted = rare[index]
    return keys[wanted], clip[wanted], at[wanted]
