"""Waveforms of the windows of a subset, from where the samples lie.

On a GPU the samples of a trial's clips lie in its memory, where they fit ``SAMPLES_SHARE`` of it: a
step then copies no samples. Elsewhere windows are cut out of the memory map on the CPU; those of
the next ``PREFETCH`` reads are on their way to a GPU while it computes. All give the same bits. The
part for GPUs was never run on one.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from genretune.data.batches import ResidentSamples, gather_samples, to_waveforms
from genretune.data.windows import Clips, WindowSet

SAMPLES_SHARE = 0.3
"""Of the memory that a trial may allocate on its GPU; the rest is for the network."""

PREFETCH = 2
"""Reads whose samples are copied to a GPU in advance: one that copies while one waits."""

Send = Callable[[Tensor], Tensor]
SendAhead = Callable[[Iterable[Tensor]], Iterator[Tensor]]

Read = tuple[NDArray[np.int64], NDArray[np.int64] | None]
"""Rows [B] and, if windows are moved, their offsets in samples [B]."""


@dataclass(frozen=True)
class Rows:
    """Numbers [B], int64, of windows or of their samples: the same in NumPy and on the device.

    A step reads the first where it runs Python and the second where it computes: reading numbers
    back from a GPU would make the CPU wait.
    """

    host: NDArray[np.int64]
    device: Tensor

    def __len__(self) -> int:
        return len(self.host)

    def __getitem__(self, places: slice) -> "Rows":
        return Rows(self.host[places], self.device[places])

    def split(self, size: int) -> Iterator["Rows"]:
        """Yield parts of at most ``size`` rows."""
        for start in range(0, len(self), size):
            yield self[start : start + size]


class Waveforms:
    """Reads the windows of one subset, during one pass over it.

    Args:
        length: of a window, in samples.
        resident: the samples of the subset's clips on the device; None if they are not there.
        send, send_ahead: copy one CPU tensor, or several in advance, to the trial's device.
    """

    def __init__(
        self,
        store: Clips,
        windows: WindowSet,
        *,
        length: int,
        resident: ResidentSamples | None,
        send: Send,
        send_ahead: SendAhead,
    ) -> None:
        self._store, self._windows, self._length = store, windows, length
        self._resident, self._send_ahead = resident, send_ahead
        self._expected: deque[NDArray[np.int64]] = deque()
        self._ahead: Iterator[Tensor] | None = None
        self._places_N2 = None if resident is None else send(resident.places(windows))

    def expect(self, reads: Iterable[Read]) -> None:
        """Announce all reads that follow, in their order, so that samples are sent in advance."""
        if self._resident is None:
            self._ahead = self._send_ahead(self._gather(reads))

    def read(self, rows: Rows, offsets: Rows | None = None) -> Tensor:
        """Return the waveforms [B, 1, T] of ``rows`` on the trial's device.

        Args:
            offsets: samples [B] by which each window starts later.

        Raises:
            ValueError: other rows were announced.
        """
        if self._resident is not None and self._places_N2 is not None:
            moved = None if offsets is None else offsets.device
            places_B2 = self._places_N2[rows.device]
            return self._resident.gather(places_B2, length=self._length, offsets=moved)
        ahead = self._ahead
        if ahead is None:
            alone = rows.host, None if offsets is None else offsets.host
            ahead = self._send_ahead(self._gather([alone]))
        samples_BT = next(ahead)
        if not np.array_equal(self._expected.popleft(), rows.host):
            raise ValueError("waveforms must be read in the order that was announced")
        return to_waveforms(samples_BT)

    def _gather(self, reads: Iterable[Read]) -> Iterator[Tensor]:
        """Yield the samples of reads, int16 [B, T]: half the bytes of the waveforms to copy."""
        for rows, offsets in reads:
            self._expected.append(rows)
            yield gather_samples(
                self._store, self._windows, rows, length=self._length, offsets=offsets
            )


def resident_samples(
    store: Clips, subsets: Sequence[WindowSet], device: torch.device, send: Send
) -> ResidentSamples | None:
    """Return the samples of the subsets' clips on ``device``, or None if there is no room."""
    clips = np.unique(np.concatenate([windows.clip for windows in subsets])).tolist()
    size = sum(store.lengths[clip] for clip in clips) * np.dtype(np.int16).itemsize
    if size > room_for_samples(device):
        return None
    return ResidentSamples(store, clips, send)


def room_for_samples(device: torch.device) -> int:
    """Return how many bytes of samples may lie in a device's memory; 0 for a CPU.

    Of a GPU that trials share, only the trial's share counts: it is the same at every resume, since
    how much memory is left can decide which engine cuDNN takes.
    """
    if device.type != "cuda":
        return 0
    total = torch.cuda.get_device_properties(device).total_memory
    share = torch.cuda.get_per_process_memory_fraction(device)
    return int(SAMPLES_SHARE * share * total)
