"""Clips, and the start positions of the windows that a clip is cut into.

Positions follow the reference protocol: starts are multiples of the hop, from 0 until the clip
is covered; the last window may reach beyond the end (it is padded when gathered).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from genretune.data.errors import DataError
from genretune.data.specs import WindowSpec


class Clips(Protocol):
    """Clips with their classes and samples; ``Store`` is the one on disk.

    Splits, batches and training ask for no more, so they run where no Arrow and no decoder is
    installed.
    """

    @property
    def names(self) -> tuple[str, ...]:
        """Canonical names, sorted."""

    @property
    def files(self) -> tuple[str, ...]:
        """Path of each clip below the corpus."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, sorted."""

    @property
    def labels(self) -> tuple[int, ...]:
        """Index into ``classes`` for each clip."""

    @property
    def lengths(self) -> tuple[int, ...]:
        """Samples of each clip; 0 if it is faulty."""

    @property
    def groups(self) -> Mapping[str, tuple[str | None, ...]]:
        """For each column of the manifest that is present, one value per clip, or None."""

    @property
    def sample_rate(self) -> int:
        """In Hz."""

    @property
    def samples_digest(self) -> str:
        """SHA-256 of the samples."""

    def samples(self, i: int) -> NDArray[np.int16]:
        """Return the samples of clip ``i``, int16 [T]."""

    def class_names(self) -> tuple[str, ...]:
        """Return the class name of each clip."""

    def __len__(self) -> int: ...


@dataclass(frozen=True)
class WindowSet:
    """Windows as (clip index, start in samples), sorted; both arrays have shape [N], int64."""

    clip: NDArray[np.int64]
    start: NDArray[np.int64]

    def __len__(self) -> int:
        return int(self.clip.shape[0])


def window_length(window: WindowSpec, sample_rate: int) -> int:
    """Return the samples in a window, at least one; halves are rounded up."""
    # Not round(), which rounds halves to even: the reference protocol rounds them up.
    return max(1, math.floor(window.seconds * sample_rate + 0.5))


def window_hop(window: WindowSpec, sample_rate: int) -> int:
    """Return the samples between two starts; halves are rounded up.

    Raises:
        DataError: the overlap leaves less than one sample.
    """
    hop = math.floor(window_length(window, sample_rate) * (1.0 - window.overlap) + 0.5)
    if hop < 1:
        raise DataError(
            "data.window.overlap: must leave at least one sample between windows, "
            f"got {window.overlap} (lower it)"
        )
    return hop


def last_start(window: WindowSpec, sample_rate: int) -> int | None:
    """Return the latest start that ``clip_seconds`` allows (at least 0), or None for no limit."""
    if window.clip_seconds is None:
        return None
    clip = math.floor(window.clip_seconds * sample_rate + 0.5)
    return max(0, clip - window_length(window, sample_rate))


def window_starts(
    length: int, *, window: int, hop: int, max_start: int | None
) -> NDArray[np.int64]:
    """Return the window starts 0, hop, 2 hop, ... of a clip of ``length`` samples, int64 [N].

    There are as many as needed to reach the end, none beyond ``max_start``; a clip shorter than a
    window has one, an empty clip none.
    """
    if length < 1:
        return np.zeros(0, dtype=np.int64)
    count = 1 + max(0, -(-(length - window) // hop))
    if max_start is not None:
        count = min(count, 1 + max_start // hop)
    return np.arange(count, dtype=np.int64) * hop


def spec_starts(length: int, spec: WindowSpec, sample_rate: int) -> NDArray[np.int64]:
    """Return ``window_starts`` for the sizes of a WindowSpec at a sample rate in Hz."""
    return window_starts(
        length,
        window=window_length(spec, sample_rate),
        hop=window_hop(spec, sample_rate),
        max_start=last_start(spec, sample_rate),
    )
