"""A perceptual hash of a clip, independent of gain, for finding the same recording again.

After Haitsma and Kalker, "A Highly Robust Audio Fingerprinting System" (ISMIR 2002): one 32-bit
hash per frame, a frame every 23 ms. Each bit is the sign of the change, from one frame to the
next, of the energy difference between two neighbouring bands (33 from 300 to 2000 Hz). A frame is
0.37 s long, so that an offset of any number of samples changes few bits.
"""

import numpy as np
from numpy.typing import NDArray

RATE = 5512.5
"""Approximate rate in Hz to which a clip is decimated, by an integer factor."""

FRAME_SECONDS = 0.3715
HOP_SECONDS = 0.02322
BANDS = 33
LOWEST, HIGHEST = 300.0, 2000.0

SILENT_HASH = np.uint32(0)
"""The hash of a silent frame."""


def frames_per_second(sample_rate: int) -> float:
    """Return the number of hashes per second of a clip at a sample rate in Hz."""
    step, _, hop = _sizes(sample_rate)
    return sample_rate / step / hop


def near_duplicate_hash(samples: NDArray[np.int16], sample_rate: int) -> NDArray[np.uint32]:
    """Return the frame hashes, uint32 [F], of a clip, int16 [T].

    A clip shorter than two frames has none.
    """
    step, size, hop = _sizes(sample_rate)
    low = _decimate(samples, step)
    if low.shape[0] < size + hop:
        return np.zeros(0, np.uint32)
    frames = np.lib.stride_tricks.sliding_window_view(low, size)[::hop]
    window = np.hanning(size).astype(np.float32)
    edges = _band_edges(sample_rate / step, size)
    energy = np.empty((frames.shape[0], BANDS), np.float32)
    # In blocks: the spectra of all frames at once would take many times the clip's memory.
    for at in range(0, frames.shape[0], 256):
        spectrum = np.fft.rfft(frames[at : at + 256] * window, axis=1)[:, : edges[-1]]
        power = spectrum.real**2 + spectrum.imag**2
        energy[at : at + 256] = np.add.reduceat(power, edges[:-1], axis=1)
    slope = energy[:, :-1] - energy[:, 1:]
    bits = (slope[1:] - slope[:-1]) > 0.0
    hashes: NDArray[np.uint32] = np.packbits(bits, axis=1).view(">u4")[:, 0].astype(np.uint32)
    # The bits of a silent frame are rounding noise: equal ones would be taken for a match.
    hashes[energy[1:].sum(axis=1) < np.float32(size)] = SILENT_HASH
    return hashes


def _sizes(sample_rate: int) -> tuple[int, int, int]:
    """Return the decimation factor, and the frame size and hop in decimated samples."""
    step = max(1, round(sample_rate / RATE))
    low_rate = sample_rate / step
    return step, round(FRAME_SECONDS * low_rate), max(1, round(HOP_SECONDS * low_rate))


def _decimate(samples: NDArray[np.int16], step: int) -> NDArray[np.float32]:
    """Return every ``step``-th sample after low-pass filtering with a Hann window."""
    wave = samples.astype(np.float32)
    if step == 1:
        return wave
    kernel = np.hanning(4 * step + 1).astype(np.float32)
    if wave.shape[0] < kernel.shape[0]:
        return wave[:0]
    smooth = np.convolve(wave, kernel / kernel.sum(), mode="valid")
    return np.ascontiguousarray(smooth[::step])


def _band_edges(rate: float, size: int) -> NDArray[np.int64]:
    """Return the first spectral bin of each band and the end of the last: [BANDS + 1], rising."""
    # At low sample rates the bands are squeezed below the Nyquist frequency.
    top = min(HIGHEST, 0.45 * rate)
    edges = np.geomspace(LOWEST * top / HIGHEST, top, BANDS + 1) * size / rate
    rising: NDArray[np.int64] = np.maximum(np.rint(edges).astype(np.int64), np.arange(1, BANDS + 2))
    return rising
