"""A synthetic corpus: ten genres in GTZAN's layout that a small network can learn.

Genres differ in tempo, chords, timbre and noise. Every clip draws its own values around those of
its genre, and the genres overlap, so that no single feature separates them. Clip n of a genre is a
function of (seed, genre, n, seconds, rate) alone: asking for more clips does not change the first
ones.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from genretune.data.clip_names import GTZAN_GENRES
from genretune.data.errors import DataError, printable_line
from genretune.data.synthetic.inject_faults import inject_faults


@dataclass(frozen=True)
class Style:
    """Sound of a genre.

    Attributes:
        tempo: beats per minute.
        chord: semitones above the root.
        rolloff: exponent by which harmonics decrease (low is bright).
        even: weight of the even harmonics (0 hollow, 1 full).
        decay: of a note, in seconds.
        hits: loudness of the noise on the beats; ``tone``: brightness of that noise.
        hiss: loudness of the steady noise.
    """

    tempo: float
    chord: tuple[int, ...]
    rolloff: float
    even: float
    decay: float
    hits: float
    tone: float
    hiss: float


STYLES = {
    "blues": Style(84, (0, 4, 7, 10), 1.5, 0.9, 0.50, 0.25, 0.35, 0.010),
    "classical": Style(76, (0, 4, 7), 2.2, 1.0, 1.20, 0.00, 0.10, 0.002),
    "country": Style(108, (0, 4, 7), 1.3, 0.6, 0.25, 0.20, 0.60, 0.006),
    "disco": Style(120, (0, 3, 7, 10), 1.2, 0.8, 0.20, 0.60, 0.80, 0.008),
    "hiphop": Style(92, (0, 3, 7), 2.0, 0.4, 0.30, 0.90, 0.25, 0.012),
    "jazz": Style(140, (0, 4, 7, 11, 14), 1.9, 0.3, 0.60, 0.20, 0.90, 0.006),
    "metal": Style(150, (0, 7, 12), 0.6, 1.0, 0.90, 0.70, 0.50, 0.030),
    "pop": Style(112, (0, 4, 7, 9), 1.1, 0.9, 0.40, 0.45, 0.60, 0.005),
    "reggae": Style(72, (0, 3, 7, 12), 1.7, 0.2, 0.15, 0.40, 0.40, 0.008),
    "rock": Style(128, (0, 7, 10), 0.8, 0.9, 0.60, 0.60, 0.45, 0.018),
}

CYCLE = 4096
"""Points in the wavetable that holds one cycle of a clip's sound."""

HARMONICS = 8
"""Overtones of a cycle; those of the highest notes alias at half the sample rate."""

PROGRESSIONS = ((0, 5, 7, 0), (0, 9, 5, 7), (0, 3, 5, 7), (0, 7, 9, 5))


def write_corpus(
    directory: Path,
    *,
    clips: int,
    seconds: float = 30.0,
    seed: int = 0,
    sample_rate: int = 22050,
    faults: Mapping[str, int] | None = None,
) -> list[Path]:
    """Write a corpus of WAV files (16 bit, mono) for the ten genres and return their paths.

    The same arguments give the same bytes.

    Args:
        directory: a new or empty folder.
        clips: files per genre.
        faults: faults to inject, by kind (see ``genretune.data.synthetic.inject_faults``).

    Raises:
        DataError: the folder is not empty, or a number is out of range.
    """
    directory = Path(directory)
    if not 1 <= clips <= 99_999:
        raise DataError(f"clips: must be from 1 to 99999 per class, got {clips}")
    if not 0.05 <= seconds <= 36_000:
        raise DataError(f"seconds: must be from 0.05 to 36000, got {seconds}")
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise DataError(
            f"data synth: must be a new or empty folder, got {printable_line(directory)}"
        )
    paths = []
    for genre in GTZAN_GENRES:
        (directory / genre).mkdir(parents=True, exist_ok=True)
        for n in range(clips):
            path = directory / genre / f"{genre}.{n:05d}.wav"
            samples = render(genre, n, seconds=seconds, seed=seed, sample_rate=sample_rate)
            soundfile.write(path, samples, sample_rate, subtype="PCM_16", format="WAV")
            paths.append(path)
    if faults:
        inject_faults(directory, faults, clips=clips, rate=sample_rate)
    return paths


def render(
    genre: str, n: int, *, seconds: float, seed: int, sample_rate: int = 22050
) -> NDArray[np.int16]:
    """Return clip ``n`` of a genre, int16 [T]."""
    # Draws are taken from one stream: adding, removing or reordering one changes every corpus.
    random = _generator(seed, genre, n)
    style = _vary(STYLES[genre], random)
    length = max(1, round(seconds * sample_rate))
    beat = max(1, round(sample_rate * 60.0 / style.tempo))
    root = 40.0 + 12.0 * float(random.random_sample())
    steps = PROGRESSIONS[int(random.randint(0, len(PROGRESSIONS)))]
    start = int(random.randint(0, 4 * beat))
    voice = _voice(style, beat, sample_rate, random)
    sound = np.zeros(length + 4 * beat, dtype=np.float64)
    for number, at in enumerate(range(-start, length, beat)):
        step = root + steps[(number // 4) % len(steps)]
        _add(sound, at, _beat(style, voice, step, number, random))
    sound = sound[:length] + style.hiss * random.standard_normal(length)
    peak = float(np.abs(sound).max())
    level = 0.35 + 0.5 * float(random.random_sample())
    samples: NDArray[np.int16] = np.rint(sound / max(peak, 1e-9) * level * 32767.0).astype(np.int16)
    return samples


@dataclass(frozen=True)
class Voice:
    """One cycle of a clip's sound, and the envelopes of its notes over two beats."""

    cycle: NDArray[np.float64]
    turns: NDArray[np.float64]
    note: NDArray[np.float64]
    bass: NDArray[np.float64]
    hit: NDArray[np.float64]
    fade: NDArray[np.float64]


def _voice(style: Style, beat: int, rate: int, random: np.random.RandomState) -> Voice:
    angle = 2.0 * np.pi * np.arange(CYCLE, dtype=np.float64) / CYCLE
    cycle = np.zeros(CYCLE, dtype=np.float64)
    for harmonic in range(1, HARMONICS + 1):
        weight = harmonic**-style.rolloff * (style.even if harmonic % 2 == 0 else 1.0)
        cycle += weight * np.sin(harmonic * angle + 2.0 * np.pi * float(random.random_sample()))
    t = np.arange(beat * 2, dtype=np.float64) / rate
    return Voice(
        cycle=cycle,
        turns=t * CYCLE,
        note=np.exp(-t / style.decay),
        bass=np.exp(-t / 0.3),
        hit=np.exp(-t / 0.05),
        fade=np.minimum(1.0, (t[-1] - t) * 100.0),
    )


def _beat(
    style: Style, voice: Voice, step: float, number: int, random: np.random.RandomState
) -> NDArray[np.float64]:
    """Return one beat: the chord in the clip's sound, a bass note, and a hit of noise."""
    loudness = 0.7 + 0.6 * float(random.random_sample())
    note = _melody(style, voice, step, random)
    for tone in style.chord:
        pitch = 440.0 * 2.0 ** ((step + tone + 12 - 69) / 12.0)
        pitch *= 1.0 + 0.002 * float(random.standard_normal())
        first = CYCLE * float(random.random_sample())
        note += voice.cycle[(first + pitch * voice.turns).astype(np.int64) % CYCLE]
    note *= voice.note * (loudness / len(style.chord))
    low = 440.0 * 2.0 ** ((step - 12 - 69) / 12.0)
    note += 0.5 * voice.bass * voice.cycle[(low * voice.turns).astype(np.int64) % CYCLE]
    if style.hits > 0.0:
        noise = random.standard_normal(note.shape[0]) * voice.hit
        dull = np.concatenate(([0.0], noise[:-1]))
        accent = 1.3 if number % 2 else 0.7
        note += style.hits * accent * (noise + (1.0 - 2.0 * style.tone) * dull)
    beat: NDArray[np.float64] = note * voice.fade
    return beat


def _melody(
    style: Style, voice: Voice, step: float, random: np.random.RandomState
) -> NDArray[np.float64]:
    """Return up to two notes of a beat, from the chord and its neighbours.

    They differ from clip to clip, so that two clips of a genre are not taken for near duplicates.
    """
    line = np.zeros_like(voice.turns)
    beat = line.shape[0] // 2
    for half in range(2):
        tone = style.chord[int(random.randint(0, len(style.chord)))]
        tone += (0, 0, 2, 12)[int(random.randint(0, 4))]
        loud = (0.0, 0.5, 0.9)[int(random.randint(0, 3))] / (half + 1)
        pitch = 440.0 * 2.0 ** ((step + tone + 24 - 69) / 12.0)
        first = CYCLE * float(random.random_sample())
        at = half * beat // 2
        turns = (first + pitch * voice.turns[: line.shape[0] - at]).astype(np.int64) % CYCLE
        line[at:] += loud * voice.cycle[turns] * voice.note[: line.shape[0] - at]
    return line * len(style.chord)


def _add(sound: NDArray[np.float64], at: int, part: NDArray[np.float64]) -> None:
    first, last = max(0, at), min(sound.shape[0], at + part.shape[0])
    if last > first:
        sound[first:last] += part[first - at : last - at]


def _vary(style: Style, random: np.random.RandomState) -> Style:
    def around(value: float, spread: float) -> float:
        return value * float(np.exp(spread * random.standard_normal()))

    return Style(
        tempo=min(220.0, max(40.0, around(style.tempo, 0.10))),
        chord=style.chord,
        rolloff=around(style.rolloff, 0.18),
        even=min(1.0, around(style.even, 0.20)),
        decay=around(style.decay, 0.25),
        hits=around(style.hits, 0.30),
        tone=min(1.0, around(style.tone, 0.20)),
        hiss=around(style.hiss, 0.40),
    )


def _generator(seed: int, genre: str, n: int) -> np.random.RandomState:
    """Return a generator for one clip; NumPy guarantees RandomState's stream across versions."""
    digest = hashlib.sha256(f"{seed}/{genre}/{n}".encode()).digest()
    return np.random.RandomState(np.frombuffer(digest, dtype="<u4").astype(np.uint32))
