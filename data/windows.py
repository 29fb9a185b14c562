"""Where windows start.

Positions follow the reference protocol: starts are multiples of the hop, from 0 until the clip
is covered; the last window may reach beyond the end (it is padded when gathered).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genretune.data.errors import DataError
from genretune.data.specs import WindowSpec


@dataclass(frozen=True)
class WindowSet:
    """Windows as (clip index, start in samples), sorted; both arrays have shape [N], int64."""

    clip: NDArray[np.int64]
    start: NDArray[np.int64]

    def __len__(self) -> int:
        return int(self.clip.shape[0])


def window_length(window: WindowSpec, sample_rate: int) -> int:
    """Samples in a window, at least one, halves rounded up."""
    return max(1, math.floor(window.seconds * sample_rate + 0.5))


def window_hop(window: WindowSpec, sample_rate: int) -> int:
    """Samples between starts, halves rounded up.

    Errors: DataError when the overlap leaves less than one sample.
    """
    hop = math.floor(window_length(window, sample_rate) * (1.0 - window.overlap) + 0.5)
    if hop < 1:
        raise DataError(
            "data.window.overlap: at least one sample between windows, "
            f"got {window.overlap} (lower it)"
        )
    return hop


def last_start(window: WindowSpec, sample_rate: int) -> int | None:
    """The latest start that clip_seconds allows, or None for no limit; at least 0."""
    if window.clip_seconds is None:
        return None
    clip = math.floor(window.clip_seconds * sample_rate + 0.5)
    return max(0, clip - window_length(window, sample_rate))


def window_starts(
    length: int, *, window: int, hop: int, max_start: int | None
) -> NDArray[np.int64]:
    """Starts of the windows of a clip of `length` samples: 0, hop, 2 hop, ...

    As many as needed to reach the end, none beyond `max_start`; one for a clip shorter than a
    window, none for an empty clip.
    """
    if length < 1:
        return np.zeros(0, dtype=np.int64)
    count = 1 + max(0, -(-(length - window) // hop))
    if max_start is not None:
        count = min(count, 1 + max_start // hop)
    return np.arange(count, dtype=np.int64) * hop


def spec_starts(length: int, spec: WindowSpec, sample_rate: int) -> NDArray[np.int64]:
    """`window_starts` with the sizes that a WindowSpec gives at a sample rate."""
    return window_starts(
        length,
        window=window_length(spec, sample_rate),
        hop=window_hop(spec, sample_rate),
        max_start=last_start(spec, sample_rate),
    )
