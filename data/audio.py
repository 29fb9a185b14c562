"""Audio file -> int16 mono at one rate.

Decoded block by block with soundfile (libsndfile), so that what a header claims costs no memory;
resampled with soxr. The mean over channels and the rounding are elementwise IEEE operations.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

BLOCK = 1 << 16
"""Frames decoded at once."""

SILENT_PEAK = 16
"""A clip whose loudest int16 sample is below this (-66 dB of full scale) is silent."""


@dataclass(frozen=True)
class Decoded:
    """Samples (int16, mono, [T]) and what is wrong with them; a faulty clip may be empty."""

    samples: NDArray[np.int16]
    fault: str | None = None
    detail: str = ""


def decode(path: Path, sample_rate: int) -> Decoded:
    """Decode a file; never raises for what is in it."""
    if path.is_dir():
        return _faulty("not audio", "a folder")
    try:
        size = path.stat().st_size
    except OSError as error:
        return _faulty("not audio", f"cannot be opened: {error.strerror}")
    if size == 0:
        return _faulty("empty", "0 bytes")
    parts: list[NDArray[np.int16]] = []
    try:
        with soundfile.SoundFile(path) as sound:
            for block in _resampled(_mono(sound), sound.samplerate, sample_rate):
                if not np.isfinite(block).all():
                    return _faulty("NaN", "samples that are not numbers")
                parts.append(to_int16(block))
    except (soundfile.SoundFileError, OSError, ValueError, RuntimeError) as error:
        if parts:
            return _faulty("truncated", str(error))
        return _faulty("not audio", str(error))
    samples = np.concatenate(parts) if parts else np.zeros(0, np.int16)
    if samples.size == 0:
        return _faulty("empty", "no samples")
    if int(np.abs(samples.astype(np.int32)).max()) < SILENT_PEAK:
        return Decoded(samples, "silent", "no sound louder than -66 dB")
    return Decoded(samples)


def to_int16(block: NDArray[np.float32]) -> NDArray[np.int16]:
    """Round to 16 bits; what lies beyond full scale is clipped."""
    scaled = np.clip(np.rint(block * np.float32(32768.0)), -32768, 32767)
    samples: NDArray[np.int16] = scaled.astype(np.int16)
    return samples


def _mono(sound: soundfile.SoundFile) -> Iterator[NDArray[np.float32]]:
    while True:
        block = sound.read(BLOCK, dtype="float32", always_2d=True)
        if block.shape[0] == 0:
            return
        mono = block[:, 0].copy()
        for channel in range(1, block.shape[1]):
            mono += block[:, channel]
        yield mono if block.shape[1] == 1 else mono / np.float32(block.shape[1])


def _resampled(
    blocks: Iterator[NDArray[np.float32]], given: int, wanted: int
) -> Iterator[NDArray[np.float32]]:
    if given == wanted:
        yield from blocks
        return
    stream = soxr.ResampleStream(given, wanted, 1, dtype="float32", quality="HQ")
    for block in blocks:
        yield stream.resample_chunk(block)
    yield stream.resample_chunk(np.zeros(0, np.float32), last=True)


def _faulty(fault: str, detail: str) -> Decoded:
    return Decoded(np.zeros(0, np.int16), fault, detail)
