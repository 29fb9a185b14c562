"""Batches of waveforms from windows, in an order that is a function of a seed."""

import numpy as np
import torch
from numpy.typing import NDArray

from genretune.data.errors import DataError
from genretune.data.store import Store
from genretune.data.windows import WindowSet


def gather(
    store: Store,
    windows: WindowSet,
    rows: torch.Tensor | NDArray[np.int64],
    *,
    length: int,
    offsets: torch.Tensor | NDArray[np.int64] | None = None,
) -> torch.Tensor:
    """Return the waveforms [B, 1, T] of the windows in ``rows``, float32 in [-1, 1).

    A window that reaches beyond the end of its clip is padded with the clip's last sample.

    Args:
        rows: indices into ``windows`` [B].
        length: samples T per window.
        offsets: samples [B] by which each window starts later.

    Raises:
        DataError: a moved window starts outside its clip.
    """
    at = _int64(rows)
    clips = windows.clip[at].tolist()
    starts = windows.start[at]
    if offsets is not None:
        starts = starts + _int64(offsets)
    samples_BT = np.empty((len(clips), length), dtype=np.int16)
    for row, clip, start in zip(samples_BT, clips, starts.tolist(), strict=True):
        clip_T = store.samples(clip)
        if not 0 <= start < clip_T.shape[0]:
            raise DataError(
                f"window: must start inside its clip of {clip_T.shape[0]} samples, got {start} "
                f"in {store.names[clip]!r}"
            )
        window_T = clip_T[start : start + length]
        row[: window_T.shape[0]] = window_T
        row[window_T.shape[0] :] = window_T[-1]
    # A power of two: the division is exact, so the waveforms are the same on every machine.
    return torch.from_numpy(samples_BT).to(torch.float32).div_(32768.0).unsqueeze_(1)


def max_offsets(store: Store, windows: WindowSet, *, length: int, hop: int) -> NDArray[np.int64]:
    """Return how many samples later each window [N] may start: less than a hop, inside its clip."""
    lengths = np.asarray(store.lengths, dtype=np.int64)[windows.clip]
    offsets: NDArray[np.int64] = np.clip(lengths - length - windows.start, 0, hop - 1)
    return offsets


def labels(store: Store, windows: WindowSet) -> torch.Tensor:
    """Return the class index of each window, int64 [N]."""
    return torch.from_numpy(np.asarray(store.labels, dtype=np.int64)[windows.clip])


def epoch_order(n: int, seed: int) -> torch.Tensor:
    """Return a permutation of 0..n-1, int64 [n], that depends on the seed alone."""
    return torch.randperm(n, generator=torch.Generator().manual_seed(seed))


def _int64(values: torch.Tensor | NDArray[np.int64]) -> NDArray[np.int64]:
    array = values.numpy() if isinstance(values, torch.Tensor) else np.asarray(values)
    return array.astype(np.int64, copy=False)
