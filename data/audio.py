"""Audio file -> int16 mono at one rate, and what is wrong with it.

Decoded block by block with soundfile (libsndfile), so that what a header claims costs no memory;
resampled with soxr. The mean over channels and the rounding are elementwise IEEE operations.

Faults, and what they mean for training:

    not audio, empty, truncated, NaN, silent   the clip cannot be used: a search stops until
                                               data.exclude has `faults` or the clip's name
    clipped, wrong length                      findings of a scan; the clip stays in. Loud records
                                               are clipped (much of GTZAN's metal is), and a longer
                                               or shorter clip is cut and padded like any other
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from genretune.data.errors import DataError, shown
from genretune.data.headers import broken_promise, is_regular
from genretune.data.suppress_stderr import suppress_stderr, suppress_stderr_while

BLOCK = 1 << 16
"""Samples (frames times channels) decoded at once."""

SILENT_PEAK = 16
"""A clip whose loudest int16 sample is below this (-66 dB of full scale) is silent."""

FULL_SCALE = 0.9999
"""Loudness from which a sample may be clipped: the outermost 16-bit values and beyond."""

CLIPPED_SHARE = 0.002
"""A clip is called clipped when so many of its samples lie in runs of three at full scale."""

RATES = range(1000, 768_001)
CHANNELS = 64
EXPANSION = 5000
"""A file that decodes to more than so many bytes per byte (beyond 64 MB) is no audio."""


class _Unfit(Exception):
    """Decoding stops: fault and detail."""


@dataclass(frozen=True)
class Decoded:
    """Samples (int16, mono, [T]; none if faulty) and what was found.

    `fault` makes the clip unfit; `notes` are findings that do not. `rate`, `channels` and
    `seconds` are the file's own, 0 when it cannot be read.
    """

    samples: NDArray[np.int16]
    fault: str | None = None
    detail: str = ""
    notes: tuple[tuple[str, str], ...] = ()
    rate: int = 0
    channels: int = 0
    seconds: float = 0.0


@dataclass
class _Meter:
    """Counts while blocks pass."""

    frames: int = 0
    clipped: int = 0
    peak: float = 0.0
    most: int = field(default=1 << 62)


def decode(path: Path, sample_rate: int) -> Decoded:
    """Decode a file; never raises for what is in it."""
    odd = is_regular(path)
    if odd:
        return _faulty("not audio", odd)
    try:
        size = path.stat().st_size
        if size == 0:
            return _faulty("empty", "0 bytes")
        promise = broken_promise(path)
        with soundfile.SoundFile(os.fsencode(path)) as sound:
            return _decode(sound, size, promise, sample_rate)
    except _Unfit as unfit:
        return _faulty(*unfit.args)
    except (soundfile.SoundFileError, OSError, ValueError, RuntimeError) as error:
        return _faulty("not audio", _reason(error))


def stream(path: Path, sample_rate: int) -> Iterator[NDArray[np.int16]]:
    """The samples of a file as `decode` gives them, a block at a time, however long it is.

    There is at least one sample; what decoders say on standard error is not heard.
    Errors: DataError, at once or on the way, for a file that is not audio to its end.
    """
    where = shown(path)
    try:
        if odd := is_regular(path):
            raise _Unfit("not audio", odd)
        size = path.stat().st_size
        if (promise := broken_promise(path)) and promise[0] == "truncated":
            raise _Unfit(*promise)
        with suppress_stderr():
            opened = soundfile.SoundFile(os.fsencode(path))
        with opened as sound:
            meter = _Meter(most=max(32 << 20, EXPANSION * size // 2))
            heard = suppress_stderr_while(_mono(sound, meter))
            samples = 0
            for block in _resampled(heard, _checked_rate(sound), sample_rate):
                samples += len(block)
                yield to_int16(block)
            if samples == 0:
                raise _Unfit("empty", "no samples")
            if meter.frames < sound.frames < 1 << 62:
                raise _Unfit("truncated", f"{meter.frames} of {sound.frames} promised frames")
    except _Unfit as unfit:
        fault, detail = unfit.args
        raise DataError(f"{where}: must be an audio file, got {fault}: {detail}") from None
    except (soundfile.SoundFileError, OSError, ValueError, RuntimeError) as error:
        raise DataError(f"{where}: must be an audio file, got {_reason(error)}") from error


def _checked_rate(sound: soundfile.SoundFile) -> int:
    rate, channels = int(sound.samplerate), int(sound.channels)
    if rate not in RATES:
        raise _Unfit("not audio", f"a sample rate of {rate} Hz")
    if channels > CHANNELS:
        raise _Unfit("not audio", f"{channels} channels")
    return rate


def _decode(
    sound: soundfile.SoundFile, size: int, promise: tuple[str, str] | None, sample_rate: int
) -> Decoded:
    rate, channels = _checked_rate(sound), int(sound.channels)
    meter = _Meter(most=max(32 << 20, EXPANSION * size // 2))
    parts: list[NDArray[np.int16]] = []
    stopped = ""
    try:
        for block in _resampled(_mono(sound, meter), rate, sample_rate):
            parts.append(to_int16(block))
    except (soundfile.SoundFileError, RuntimeError) as error:
        stopped = _reason(error)
    seconds = meter.frames / rate
    samples = np.concatenate(parts) if parts else np.zeros(0, np.int16)
    fault, detail = _judge(sound, samples, meter, promise, stopped)
    if fault:
        return Decoded(samples[:0], fault, detail, (), rate, channels, seconds)
    return Decoded(samples, None, "", _notes(meter, promise), rate, channels, seconds)


def _judge(
    sound: soundfile.SoundFile,
    samples: NDArray[np.int16],
    meter: _Meter,
    promise: tuple[str, str] | None,
    stopped: str,
) -> tuple[str | None, str]:
    """The fault that makes the clip unfit, with its detail, or (None, "")."""
    if promise and promise[0] == "truncated":
        return promise
    if stopped:
        return "truncated", f"decoding stops after {meter.frames} frames: {stopped}"
    if meter.frames < sound.frames < 1 << 62:
        return "truncated", f"{meter.frames} of {sound.frames} promised frames"
    if samples.size == 0:
        return "empty", "no samples"
    if int(samples.max()) < SILENT_PEAK and int(samples.min()) > -SILENT_PEAK:
        loud = meter.peak * 32768.0 >= SILENT_PEAK
        return "silent", "the channels cancel each other" if loud else "nothing above -66 dB"
    return None, ""


def _notes(meter: _Meter, promise: tuple[str, str] | None) -> tuple[tuple[str, str], ...]:
    notes = [promise] if promise else []
    share = meter.clipped / max(1, meter.frames)
    if share >= CLIPPED_SHARE:
        notes.append(("clipped", f"{share:.1%} of the samples at full scale"))
    return tuple(notes)


def to_int16(block: NDArray[np.float32]) -> NDArray[np.int16]:
    """Round to 16 bits; what lies beyond full scale is clipped."""
    scaled = np.clip(np.rint(block * np.float32(32768.0)), -32768, 32767)
    samples: NDArray[np.int16] = scaled.astype(np.int16)
    return samples


def _mono(sound: soundfile.SoundFile, meter: _Meter) -> Iterator[NDArray[np.float32]]:
    """Blocks of the mean over channels. Errors: _Unfit for NaN and for what expands too far."""
    while True:
        block = sound.read(max(1, BLOCK // sound.channels), dtype="float32", always_2d=True)
        if block.shape[0] == 0:
            return
        _measure(block, meter)
        mono = block[:, 0].copy()
        for channel in range(1, block.shape[1]):
            mono += block[:, channel]
        yield mono if block.shape[1] == 1 else mono / np.float32(block.shape[1])


def _measure(block: NDArray[np.float32], meter: _Meter) -> None:
    meter.frames += block.shape[0]
    peak = max(float(block.max()), -float(block.min()))
    if not np.isfinite(peak):
        raise _Unfit("NaN", "samples that are not finite numbers")
    meter.peak = max(meter.peak, peak)
    if peak >= FULL_SCALE:
        full = np.abs(block) >= FULL_SCALE
        runs = (full[:-2] & full[1:-1] & full[2:]).sum(axis=0)
        meter.clipped += int(runs.max()) if runs.size else 0
    if meter.frames * block.shape[1] > meter.most:
        raise _Unfit("not audio", f"expands to more than {EXPANSION} times its size")


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


def _reason(error: Exception) -> str:
    """libsndfile's words without the path, which is printed anyway."""
    words = str(getattr(error, "error_string", "") or error)
    # what it says of MP3 files in which no frame can be found; that the file is there is known
    return "no audio that can be decoded" if words.startswith("File does not exist") else words
