"""Decoding an audio file to int16 mono at one sample rate, and finding its faults.

Files are decoded block by block with soundfile (libsndfile), so that a header that declares an
enormous length costs no memory, and resampled with soxr. The mean over channels and the rounding
are elementwise IEEE operations, hence the same on every machine.

Faults, and what they mean for training:

    not audio, empty, truncated, NaN, silent   the clip is unusable: a search stops until
                                               data.exclude has ``faults`` or the clip's name
    clipped, wrong length                      findings of a scan; the clip is used. Loud records
                                               are clipped (much of GTZAN's metal is), and a longer
                                               or shorter clip is cut and padded like any other
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from genretune.data.errors import DataError, printable_line
from genretune.data.headers import header_mismatch, unreadable_reason
from genretune.data.suppress_stderr import suppress_stderr, suppress_stderr_while

BLOCK = 1 << 16
"""Samples (frames times channels) decoded at once."""

SILENT_PEAK = 16
"""A clip whose loudest int16 sample is below this (-66 dB of full scale) is silent."""

FULL_SCALE = 0.9999
"""Amplitude from which a sample may be clipped: the outermost 16-bit values and beyond."""

CLIPPED_SHARE = 0.002
"""Share of samples in runs of three at full scale from which a clip counts as clipped."""

RATES = range(1000, 768_001)
"""Accepted sample rates of a file, in Hz."""

MAX_CHANNELS = 64

MAX_EXPANSION = 5000
"""Decoded bytes per byte of file (beyond 64 MB) above which a file is refused as not audio."""

_UNKNOWN_FRAMES = 1 << 62
"""Frame counts from here on are libsndfile's way of saying that the length is unknown."""


class _Unusable(Exception):
    """Reason to stop decoding, as the arguments fault and detail."""


@dataclass(frozen=True)
class Decoded:
    """Samples of a file and its faults.

    Attributes:
        samples: int16, mono, [T]; empty if the file has a fault.
        fault: why the clip is unusable, or None.
        detail: one line about the fault.
        notes: (finding, detail) pairs that leave the clip usable.
        rate, channels, seconds: of the file before conversion; 0 if it cannot be read.
    """

    samples: NDArray[np.int16]
    fault: str | None = None
    detail: str = ""
    notes: tuple[tuple[str, str], ...] = ()
    rate: int = 0
    channels: int = 0
    seconds: float = 0.0


@dataclass
class _Statistics:
    """Running counts over the decoded blocks; decoding stops beyond ``max_samples``."""

    max_samples: int
    frames: int = 0
    clipped: int = 0
    peak: float = 0.0


def decode(path: Path, sample_rate: int) -> Decoded:
    """Decode a file to int16 mono at ``sample_rate`` Hz; faulty content never raises."""
    if reason := unreadable_reason(path):
        return _faulty("not audio", reason)
    try:
        size = path.stat().st_size
        if size == 0:
            return _faulty("empty", "0 bytes")
        mismatch = header_mismatch(path)
        with soundfile.SoundFile(os.fsencode(path)) as sound:
            return _decode(sound, size, mismatch, sample_rate)
    except _Unusable as unusable:
        return _faulty(*unusable.args)
    except (soundfile.SoundFileError, OSError, ValueError, RuntimeError) as error:
        return _faulty("not audio", _reason(error))


def stream(path: Path, sample_rate: int) -> Iterator[NDArray[np.int16]]:
    """Yield the samples that ``decode`` returns, block by block, for files of any length.

    At least one sample is yielded. Messages of decoders on standard error are discarded.

    Raises:
        DataError: the file is not audio to its end; raised at once or after some blocks.
    """
    where = printable_line(path)
    try:
        if reason := unreadable_reason(path):
            raise _Unusable("not audio", reason)
        size = path.stat().st_size
        if (mismatch := header_mismatch(path)) and mismatch[0] == "truncated":
            raise _Unusable(*mismatch)
        with suppress_stderr():
            opened = soundfile.SoundFile(os.fsencode(path))
        with opened as sound:
            statistics = _Statistics(_max_samples(size))
            blocks = suppress_stderr_while(_mono(sound, statistics))
            samples = 0
            for block in _resampled(blocks, _checked_rate(sound), sample_rate):
                samples += len(block)
                yield to_int16(block)
            if samples == 0:
                raise _Unusable("empty", "no samples")
            if detail := _missing_frames(sound, statistics):
                raise _Unusable("truncated", detail)
    except _Unusable as unusable:
        fault, detail = unusable.args
        raise DataError(f"{where}: must be an audio file, got {fault}: {detail}") from None
    except (soundfile.SoundFileError, OSError, ValueError, RuntimeError) as error:
        raise DataError(f"{where}: must be an audio file, got {_reason(error)}") from error


def _max_samples(file_bytes: int) -> int:
    """Return how many int16 samples a file may decode to: a small file must not fill the memory."""
    return max(32 << 20, MAX_EXPANSION * file_bytes // 2)


def _missing_frames(sound: soundfile.SoundFile, statistics: _Statistics) -> str:
    """Return a detail line if fewer frames were decoded than the header declares, else ""."""
    if statistics.frames < sound.frames < _UNKNOWN_FRAMES:
        return f"{statistics.frames} of {sound.frames} promised frames"
    return ""


def _checked_rate(sound: soundfile.SoundFile) -> int:
    rate, channels = int(sound.samplerate), int(sound.channels)
    if rate not in RATES:
        raise _Unusable("not audio", f"a sample rate of {rate} Hz")
    if channels > MAX_CHANNELS:
        raise _Unusable("not audio", f"{channels} channels")
    return rate


def _decode(
    sound: soundfile.SoundFile, size: int, mismatch: tuple[str, str] | None, sample_rate: int
) -> Decoded:
    rate, channels = _checked_rate(sound), int(sound.channels)
    statistics = _Statistics(_max_samples(size))
    blocks: list[NDArray[np.int16]] = []
    failure = ""
    try:
        for block in _resampled(_mono(sound, statistics), rate, sample_rate):
            blocks.append(to_int16(block))
    except (soundfile.SoundFileError, RuntimeError) as error:
        failure = _reason(error)
    seconds = statistics.frames / rate
    samples = np.concatenate(blocks) if blocks else np.zeros(0, np.int16)
    fault, detail = _find_fault(sound, samples, statistics, mismatch, failure)
    if fault:
        return Decoded(samples[:0], fault, detail, (), rate, channels, seconds)
    return Decoded(samples, None, "", _notes(statistics, mismatch), rate, channels, seconds)


def _find_fault(
    sound: soundfile.SoundFile,
    samples: NDArray[np.int16],
    statistics: _Statistics,
    mismatch: tuple[str, str] | None,
    failure: str,
) -> tuple[str | None, str]:
    """Return the fault that makes the clip unusable, with its detail, or (None, "")."""
    # A truncated file is often silent or fails to decode as well: report the cause, not the effect.
    if mismatch and mismatch[0] == "truncated":
        return mismatch
    if failure:
        return "truncated", f"decoding stops after {statistics.frames} frames: {failure}"
    if detail := _missing_frames(sound, statistics):
        return "truncated", detail
    if samples.size == 0:
        return "empty", "no samples"
    if int(samples.max()) < SILENT_PEAK and int(samples.min()) > -SILENT_PEAK:
        # The peak is that of the single channels, before they are averaged.
        loud = statistics.peak * 32768.0 >= SILENT_PEAK
        return "silent", "the channels cancel each other" if loud else "nothing above -66 dB"
    return None, ""


def _notes(
    statistics: _Statistics, mismatch: tuple[str, str] | None
) -> tuple[tuple[str, str], ...]:
    notes = [mismatch] if mismatch else []
    share = statistics.clipped / max(1, statistics.frames)
    if share >= CLIPPED_SHARE:
        notes.append(("clipped", f"{share:.1%} of the samples at full scale"))
    return tuple(notes)


def to_int16(block: NDArray[np.float32]) -> NDArray[np.int16]:
    """Round to 16 bits; values beyond full scale are clipped."""
    scaled = np.clip(np.rint(block * np.float32(32768.0)), -32768, 32767)
    samples: NDArray[np.int16] = scaled.astype(np.int16)
    return samples


def _mono(sound: soundfile.SoundFile, statistics: _Statistics) -> Iterator[NDArray[np.float32]]:
    """Yield blocks of the mean over channels, float32 [T].

    Raises:
        _Unusable: a sample is not finite, or the file expands too far.
    """
    while True:
        block = sound.read(max(1, BLOCK // sound.channels), dtype="float32", always_2d=True)
        if block.shape[0] == 0:
            return
        _measure(block, statistics)
        # Channels are added one by one: a library's sum may choose another order on another
        # machine, and the bits of the samples would differ.
        mono = block[:, 0].copy()
        for channel in range(1, block.shape[1]):
            mono += block[:, channel]
        yield mono if block.shape[1] == 1 else mono / np.float32(block.shape[1])


def _measure(block: NDArray[np.float32], statistics: _Statistics) -> None:
    statistics.frames += block.shape[0]
    peak = max(float(block.max()), -float(block.min()))
    if not np.isfinite(peak):
        raise _Unusable("NaN", "samples that are not finite numbers")
    statistics.peak = max(statistics.peak, peak)
    if peak >= FULL_SCALE:
        # One sample at full scale may be a legitimate peak; three in a row are a flattened one.
        full = np.abs(block) >= FULL_SCALE
        runs = (full[:-2] & full[1:-1] & full[2:]).sum(axis=0)
        statistics.clipped += int(runs.max()) if runs.size else 0
    if statistics.frames * block.shape[1] > statistics.max_samples:
        raise _Unusable("not audio", f"expands to more than {MAX_EXPANSION} times its size")


def _resampled(
    blocks: Iterator[NDArray[np.float32]], from_rate: int, to_rate: int
) -> Iterator[NDArray[np.float32]]:
    if from_rate == to_rate:
        yield from blocks
        return
    # One stream for the whole file: resampling each block alone would leave a seam at every edge.
    stream = soxr.ResampleStream(from_rate, to_rate, 1, dtype="float32", quality="HQ")
    for block in blocks:
        yield stream.resample_chunk(block)
    yield stream.resample_chunk(np.zeros(0, np.float32), last=True)  # the filter's tail


def _faulty(fault: str, detail: str) -> Decoded:
    return Decoded(np.zeros(0, np.int16), fault, detail)


def _reason(error: Exception) -> str:
    """Return libsndfile's message without the path, which the caller prints anyway."""
    message = str(getattr(error, "error_string", "") or error)
    # libsndfile reports an MP3 file without a single valid frame as a file that does not exist.
    if message.startswith("File does not exist"):
        return "no audio that can be decoded"
    return message
