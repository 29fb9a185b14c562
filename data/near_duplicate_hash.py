"""A print of how a clip sounds, blind to gain, for finding the same recording again.

After Haitsma and Kalker, "A Highly Robust Audio Fingerprinting System" (ISMIR 2002): every 23 ms
32 bits, each the sign of how the difference of two neighbouring bands (33 from 300 to 2000 Hz)
changed. A frame is 0.37 s long, so that an offset of any number of samples changes few bits.
"""

import numpy as np
from numpy.typing import NDArray

RATE = 5512.5
"""Hz that a clip is brought down to, about, by taking every n-th sample."""

FRAME_SECONDS = 0.3715
HOP_SECONDS = 0.02322
BANDS = 33
LOWEST, HIGHEST = 300.0, 2000.0

NOTHING = np.uint32(0)
"""The print of a frame in which nothing sounds."""


def frames_a_second(sample_rate: int) -> float:
    """Prints a second of a clip at this rate."""
    step, _, hop = _sizes(sample_rate)
    return sample_rate / step / hop


def near_duplicate_hash(samples: NDArray[np.int16], sample_rate: int) -> NDArray[np.uint32]:
    """Prints of a clip [T] int16 -> [F] uint32; empty for one shorter than two frames."""
    step, size, hop = _sizes(sample_rate)
    low = _every(samples, step)
    if low.shape[0] < size + hop:
        return np.zeros(0, np.uint32)
    frames = np.lib.stride_tricks.sliding_window_view(low, size)[::hop]
    window = np.hanning(size).astype(np.float32)
    edges = _edges(sample_rate / step, size)
    energy = np.empty((frames.shape[0], BANDS), np.float32)
    for at in range(0, frames.shape[0], 256):
        spectrum = np.fft.rfft(frames[at : at + 256] * window, axis=1)[:, : edges[-1]]
        power = spectrum.real**2 + spectrum.imag**2
        energy[at : at + 256] = np.add.reduceat(power, edges[:-1], axis=1)
    slope = energy[:, :-1] - energy[:, 1:]
    bits = (slope[1:] - slope[:-1]) > 0.0
    prints: NDArray[np.uint32] = np.packbits(bits, axis=1).view(">u4")[:, 0].astype(np.uint32)
    prints[energy[1:].sum(axis=1) < np.float32(size)] = NOTHING
    return prints


def _sizes(sample_rate: int) -> tuple[int, int, int]:
    step = max(1, round(sample_rate / RATE))
    low = sample_rate / step
    return step, round(FRAME_SECONDS * low), max(1, round(HOP_SECONDS * low))


def _every(samples: NDArray[np.int16], step: int) -> NDArray[np.float32]:
    """Every step-th sample after smoothing."""
    wave = samples.astype(np.float32)
    if step == 1:
        return wave
    kernel = np.hanning(4 * step + 1).astype(np.float32)
    if wave.shape[0] < kernel.shape[0]:
        return wave[:0]
    smooth = np.convolve(wave, kernel / kernel.sum(), mode="valid")
    return np.ascontiguousarray(smooth[::step])


def _edges(rate: float, size: int) -> NDArray[np.int64]:
    """First spectral bin of each band, and the end of the last: [BANDS + 1], rising."""
    top = min(HIGHEST, 0.45 * rate)
    edges = np.geomspace(LOWEST * top / HIGHEST, top, BANDS + 1) * size / rate
    rising: NDArray[np.int64] = np.maximum(np.rint(edges).astype(np.int64), np.arange(1, BANDS + 2))
    return rising
