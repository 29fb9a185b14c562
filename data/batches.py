"""Windows to tensors, in an order that is a function of a seed."""

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
    """Waveforms [B, 1, T], float32 in [-1, 1), of the windows in `rows`; T = `length` samples.

    `offsets` [B] moves each start, in samples. What lies beyond the clip's end repeats its last
    sample. Errors: DataError when a moved window starts outside its clip.
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
                f"window: a start inside its clip of {clip_T.shape[0]} samples, got {start} "
                f"in {store.names[clip]!r}"
            )
        part = clip_T[start : start + length]
        row[: part.shape[0]] = part
        row[part.shape[0] :] = part[-1]
    return torch.from_numpy(samples_BT).to(torch.float32).div_(32768.0).unsqueeze_(1)


def offset_room(store: Store, windows: WindowSet, *, length: int, hop: int) -> NDArray[np.int64]:
    """How far each window [N] may be moved to the right: less than one hop, inside its clip."""
    lengths = np.asarray(store.lengths, dtype=np.int64)[windows.clip]
    room: NDArray[np.int64] = np.clip(lengths - length - windows.start, 0, hop - 1)
    return room


def labels(store: Store, windows: WindowSet) -> torch.Tensor:
    """Class index of each window, int64 [N]."""
    return torch.from_numpy(np.asarray(store.labels, dtype=np.int64)[windows.clip])


def epoch_order(n: int, seed: int) -> torch.Tensor:
    """A permutation of 0..n-1, int64 [n], a function of the seed alone."""
    return torch.randperm(n, generator=torch.Generator().manual_seed(seed))


def _int64(values: torch.Tensor | NDArray[np.int64]) -> NDArray[np.int64]:
    array = values.numpy() if isinstance(values, torch.Tensor) else np.asarray(values)
    return array.astype(np.int64, copy=False)
