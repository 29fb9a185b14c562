"""A corpus in memory: tones and noise, drawn by NumPy, so that no audio library is needed."""

import hashlib
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

RATE = 22050
_NOTES = (110.0, 147.0, 196.0, 262.0, 349.0, 466.0, 622.0, 831.0, 1109.0, 1480.0)


class Tones:
    """Clips of some classes; a class is a pitch with its overtones, under noise.

    Clip n of a class is a function of class, n and length.

    Args:
        classes: at most ten.
        clips: per class.
        length: of a clip, in samples.
        validation: the first clips of each class, so many, are for validation.

    Attributes:
        members: the subset of each clip, for a split of the name ``file``.
    """

    def __init__(self, *, classes: int, clips: int, length: int, validation: int = 1) -> None:
        self.classes = tuple(f"class{label}" for label in range(classes))
        places = [(label, clip) for label in range(classes) for clip in range(clips)]
        self.names = tuple(f"{self.classes[label]}/{clip:05d}" for label, clip in places)
        self.members = {
            name: "validation" if clip < validation else "train"
            for name, (_, clip) in zip(self.names, places, strict=True)
        }
        self.files = tuple(f"{name}.wav" for name in self.names)
        self.labels = tuple(label for label, _ in places)
        self.lengths = (length,) * len(places)
        self.groups: Mapping[str, tuple[str | None, ...]] = {}
        self.sample_rate = RATE
        self._samples = [_tone(_NOTES[label], clip, length) for label, clip in places]
        digest = hashlib.sha256(f"{classes} {clips} {length}".encode())
        for samples in self._samples[:: clips or 1]:
            digest.update(samples.tobytes())
        self.samples_digest = digest.hexdigest()

    def samples(self, i: int) -> NDArray[np.int16]:
        """Return the samples of clip ``i``, int16 [T]."""
        return self._samples[i]

    def class_names(self) -> tuple[str, ...]:
        """Return the class name of each clip."""
        return tuple(self.classes[label] for label in self.labels)

    def __len__(self) -> int:
        return len(self.names)


def _tone(pitch: float, clip: int, length: int) -> NDArray[np.int16]:
    # whole-number arithmetic after the table: the same samples on every CPU
    rng = np.random.Generator(np.random.PCG64([int(pitch), clip]))
    table = np.round(np.sin(np.arange(4096) * (2 * np.pi / 4096)) * 6000).astype(np.int32)
    step = int(pitch * (0.97 + 0.01 * (clip % 7)) * 4096 / RATE * 256)
    phase = np.arange(length, dtype=np.int64) * step >> 8
    wave = table[phase & 4095] + table[phase * 2 & 4095] // (2 + clip % 3)
    noise = rng.integers(-2000, 2000, size=length, dtype=np.int16)
    samples: NDArray[np.int16] = (wave + noise).astype(np.int16)
    return samples
