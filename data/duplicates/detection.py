"""Finding the same recording twice: exact (equal samples) and near (other gain, offset or codec).

Near duplicates are found by their frame hashes: equal hashes at a constant distance in time vote
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

from genretune.data.duplicates.near_duplicate_hash import SILENT_HASH

MAX_DIFFERING_BITS = 0.18
"""Share of differing bits up to which two clips count as one recording."""

MIN_OVERLAP_FRAMES = 128
"""Frames (3 s) that two clips must overlap by, or three quarters of the shorter clip."""

MIN_FRAMES = 12
"""Frames with sound in both clips below which two clips cannot be compared."""

MIN_VOTES = 3
"""Equal hashes at one distance in time that make a pair a candidate."""

COMMON = 40
"""Occurrences in a corpus above which a hash is not looked up, as it tells nothing."""

MAX_KEYS = 8_000_000
"""Hashes looked up at most; larger corpora are subsampled."""


@dataclass(frozen=True)
class NearDuplicate:
    """Two clips of one recording.

    Attributes:
        similarity: share of equal bits, 0 to 1.
        offset: frames by which the second clip starts after the first.
    """

    first: str
    second: str
    similarity: float
    offset: int


@dataclass(frozen=True)
class Duplicates:
    """Groups of clips with equal samples, and pairs of near duplicates among the other clips.

    Of a group of equal clips only the first (by name) appears in near pairs.
    """

    exact: tuple[tuple[str, ...], ...] = ()
    near: tuple[NearDuplicate, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.exact or self.near)

    def redundant(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return the clips to drop so that one of each recording stays: the first by name."""
        representative = self._representatives()
        near = self._near_by_name()
        kept: set[str] = set()
        dropped = []
        for name in sorted(names):
            own = representative.get(name, name)
            if own in kept or not kept.isdisjoint(near[own]):
                dropped.append(name)
            else:
                kept.add(own)
        return tuple(dropped)

    def pairs_across(
        self, one: Collection[str], other: Collection[str]
    ) -> Iterator[tuple[str, str]]:
        """Yield pairs of clips of the same recording, one from each of two sets."""
        representative, near = self._representatives(), self._near_by_name()
        # Reversed, so that the first name of a group overwrites the later ones.
        in_other: dict[str, str] = {}
        for name in sorted(other, reverse=True):
            in_other[representative.get(name, name)] = name
        for name in sorted(one):
            own = representative.get(name, name)
            for same in sorted({own, *near[own]} & in_other.keys()):
                if in_other[same] != name:
                    yield name, in_other[same]

    def _representatives(self) -> dict[str, str]:
        return {name: group[0] for group in self.exact for name in group}

    def _near_by_name(self) -> defaultdict[str, set[str]]:
        near: defaultdict[str, set[str]] = defaultdict(set)
        for pair in self.near:
            near[pair.first].add(pair.second)
            near[pair.second].add(pair.first)
        return near


def find_duplicates(
    names: Sequence[str], digests: Sequence[str], hashes: Sequence[NDArray[np.uint32]]
) -> Duplicates:
    """Return the duplicates among clips, each given by name, sample digest and frame hashes.

    Leave out faulty clips: two silent ones are not the same recording.
    """
    groups: dict[str, list[int]] = {}
    for i in sorted(range(len(names)), key=lambda i: names[i]):
        groups.setdefault(digests[i], []).append(i)
    exact = tuple(tuple(names[i] for i in group) for group in groups.values() if len(group) > 1)
    distinct = [group[0] for group in groups.values()]
    near = [
        NearDuplicate(names[distinct[a]], names[distinct[b]], similarity, offset)
        for a, b, similarity, offset in _near_pairs([hashes[i] for i in distinct])
    ]
    return Duplicates(exact, tuple(near))


def _near_pairs(hashes: Sequence[NDArray[np.uint32]]) -> list[tuple[int, int, float, int]]:
    """Return (a, b, share of equal bits, offset of b in frames) of the near duplicates."""
    best: dict[tuple[int, int], tuple[float, int]] = {}
    for a, b, shift in _candidates(hashes):
        # Votes of neighbouring offsets are close, so the neighbours are compared as well.
        for offset in (shift - 1, shift, shift + 1):
            similarity = _similarity(hashes[a], hashes[b], offset)
            if similarity is not None and similarity > best.get((a, b), (0.0, 0))[0]:
                best[a, b] = similarity, offset
    return [
        (a, b, similarity, offset)
        for (a, b), (similarity, offset) in sorted(best.items())
        if similarity >= 1.0 - MAX_DIFFERING_BITS
    ]


def _similarity(a: NDArray[np.uint32], b: NDArray[np.uint32], offset: int) -> float | None:
    """Return the share of equal bits where the clips overlap, or None if they hardly do.

    Clip ``b`` starts ``offset`` frames after ``a``; silent frames are not compared.
    """
    a, b = a[max(0, offset) :], b[max(0, -offset) :]
    frames = min(a.shape[0], b.shape[0])
    a, b = a[:frames], b[:frames]
    audible = (a != SILENT_HASH) & (b != SILENT_HASH)
    compared = int(audible.sum())
    if compared < MIN_FRAMES:
        return None
    differing = int(np.bitwise_count(a[audible] ^ b[audible]).sum())
    return 1.0 - differing / (32.0 * compared)


def _required_overlap(a: NDArray[np.uint32], b: NDArray[np.uint32]) -> int:
    return max(MIN_FRAMES, min(MIN_OVERLAP_FRAMES, min(len(a), len(b)) * 3 // 4))


def _candidates(hashes: Sequence[NDArray[np.uint32]]) -> Iterator[tuple[int, int, int]]:
    """Yield (a, b, offset of b in frames) with enough votes and enough overlap, a < b."""
    keys, clip, at = _lookup_table(hashes)
    pairs, shifts = [], []
    # The keys are sorted: equal ones are neighbours, at most COMMON - 1 places apart.
    for step in range(1, COMMON):
        same = np.flatnonzero(keys[step:] == keys[: max(0, keys.shape[0] - step)])
        if same.shape[0] == 0:
            break
        one, two = clip[same], clip[same + step]
        differ = one != two
        one, two = one[differ], two[differ]
        shift = at[same][differ] - at[same + step][differ]
        swapped = one > two
        low, high = np.minimum(one, two), np.maximum(one, two)
        pairs.append(low * len(hashes) + high)
        shifts.append(np.where(swapped, -shift, shift))
    if not pairs:
        return
    # Pair and offset are packed into one int64, so that one np.unique counts all votes; the
    # offset is moved into the positive range first (2^23 frames are over two days).
    width = 1 << 24
    votes = np.concatenate(pairs) * width + (np.concatenate(shifts) + width // 2)
    values, counts = np.unique(votes, return_counts=True)
    for value in values[counts >= MIN_VOTES].tolist():
        a, b = divmod(value // width, len(hashes))
        offset = value % width - width // 2
        overlap = min(len(hashes[a]) - max(0, offset), len(hashes[b]) - max(0, -offset))
        if overlap >= _required_overlap(hashes[a], hashes[b]):
            yield a, b, offset


def _lookup_table(
    hashes: Sequence[NDArray[np.uint32]],
) -> tuple[NDArray[np.uint32], NDArray[np.int64], NDArray[np.int64]]:
    """Return hashes with their clips and frames, sorted by hash, without common and silent ones."""
    lengths = [len(h) for h in hashes]
    keys = np.concatenate([np.zeros(0, np.uint32), *hashes])
    clip = np.repeat(np.arange(len(hashes), dtype=np.int64), lengths)
    at = np.concatenate([np.zeros(0, np.int64), *(np.arange(n, dtype=np.int64) for n in lengths)])
    keep = keys != SILENT_HASH
    every = -(-keys.shape[0] // MAX_KEYS)
    if every > 1:
        # Sampled by the hash's value (times Knuth's multiplier), not by its position: a hash must
        # be kept in both clips of a pair or in neither, or it could not vote.
        keep &= (keys * np.uint32(2654435761)) % np.uint32(every) == 0
    keys, clip, at = keys[keep], clip[keep], at[keep]
    order = np.argsort(keys, kind="stable")
    keys, clip, at = keys[order], clip[order], at[order]
    _, index, counts = np.unique(keys, return_inverse=True, return_counts=True)
    useful = ((counts > 1) & (counts <= COMMON))[index]
    return keys[useful], clip[useful], at[useful]
