"""Batches of waveforms from windows, in an order that is a function of a seed.

``gather`` cuts windows out of the memory map, on the CPU. ``ResidentSamples`` does the same on a
device that holds the samples, so that none are copied in a step.

Shapes: N windows, B windows of a batch, T samples.
"""

from collections.abc import Callable, Iterable

import numpy as np
import torch
from numpy.typing import NDArray

from genretune.data.errors import DataError
from genretune.data.windows import Clips, WindowSet


def gather(
    store: Clips,
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
    return to_waveforms(gather_samples(store, windows, rows, length=length, offsets=offsets))


def to_waveforms(samples_BT: torch.Tensor) -> torch.Tensor:
    """Return int16 samples [B, T] as waveforms [B, 1, T], float32 in [-1, 1)."""
    # A power of two: the division is exact, so the waveforms are the same on every machine.
    return samples_BT.to(torch.float32).div_(32768.0).unsqueeze_(1)


def gather_samples(
    store: Clips,
    windows: WindowSet,
    rows: torch.Tensor | NDArray[np.int64],
    *,
    length: int,
    offsets: torch.Tensor | NDArray[np.int64] | None = None,
) -> torch.Tensor:
    """Return the samples of ``gather`` before they are scaled, int16 [B, T]."""
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
    return torch.from_numpy(samples_BT)


Send = Callable[[torch.Tensor], torch.Tensor]
"""Copies a CPU tensor to the device."""


class ResidentSamples:
    """Samples of clips, int16, one after the other on a device.

    Args:
        clips: indices of the clips; each is stored once.
    """

    def __init__(self, store: Clips, clips: Iterable[int], send: Send) -> None:
        kept = sorted(set(clips))
        self._names = store.names
        self._length = np.zeros(len(store.names), dtype=np.int64)
        self._first = np.zeros(len(store.names), dtype=np.int64)
        self._length[kept] = np.asarray(store.lengths, dtype=np.int64)[kept]
        self._first[kept] = np.cumsum(self._length[kept]) - self._length[kept]
        # Joined on the CPU: on the device, parts and whole would need twice the room.
        samples = np.empty(int(self._length.sum()), dtype=np.int16)
        for clip in kept:
            first = self._first[clip]
            samples[first : first + self._length[clip]] = store.samples(clip)
        self._samples = send(torch.from_numpy(samples))

    def places(self, windows: WindowSet) -> torch.Tensor:
        """Return the places of each window's first sample and of its clip's last, int64 [N, 2].

        The tensor is on the CPU.

        Raises:
            DataError: a window starts outside its clip, or its clip is not here.
        """
        length, first = self._length[windows.clip], self._first[windows.clip]
        outside = (windows.start < 0) | (windows.start >= length)
        if outside.any():
            at = int(outside.argmax())
            raise DataError(
                f"window: must start inside its clip of {length[at]} samples, got "
                f"{windows.start[at]} in {self._names[windows.clip[at]]!r}"
            )
        return torch.from_numpy(np.stack([first + windows.start, first + length - 1], axis=1))

    def gather(
        self, places_B2: torch.Tensor, *, length: int, offsets: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return the waveforms [B, 1, T] at ``places``, as ``batches.gather`` does.

        Nothing is checked here, which would make the CPU wait for the device: an offset must leave
        the start inside its clip.

        Args:
            places_B2: rows of ``places``, on the device.
            length: samples T per window.
            offsets: samples [B] by which each window starts later, on the device.
        """
        start_B, last_B = places_B2.unbind(1)
        if offsets is not None:
            start_B = start_B + offsets
        place_BT = start_B[:, None] + torch.arange(length, device=places_B2.device)
        return to_waveforms(self._samples[torch.minimum(place_BT, last_B[:, None])])


def max_offsets(store: Clips, windows: WindowSet, *, length: int, hop: int) -> NDArray[np.int64]:
    """Return how many samples later each window [N] may start: less than a hop, inside its clip."""
    lengths = np.asarray(store.lengths, dtype=np.int64)[windows.clip]
    offsets: NDArray[np.int64] = np.clip(lengths - length - windows.start, 0, hop - 1)
    return offsets


def labels(store: Clips, windows: WindowSet) -> torch.Tensor:
    """Return the class index of each window, int64 [N]."""
    return torch.from_numpy(np.asarray(store.labels, dtype=np.int64)[windows.clip])


def epoch_order(n: int, seed: int) -> torch.Tensor:
    """Return a permutation of 0..n-1, int64 [n], that depends on the seed alone."""
    return torch.randperm(n, generator=torch.Generator().manual_seed(seed))


def _int64(values: torch.Tensor | NDArray[np.int64]) -> NDArray[np.int64]:
    array = values.numpy() if isinstance(values, torch.Tensor) else np.asarray(values)
    return array.astype(np.int64, copy=False)
