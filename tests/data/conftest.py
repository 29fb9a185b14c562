"""Stores without audio files, single audio files, and numbers of the reference protocol."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from genretune.data.arrow_file import PackedClip, Store, write_store
from genretune.data.clip_names import gtzan_names

Samples = NDArray[np.int16]


@pytest.fixture(scope="session")
def reference() -> dict[str, Any]:
    figures: dict[str, Any] = json.loads(Path(__file__).with_name("reference.json").read_text())
    return figures


@pytest.fixture(scope="session")
def noise() -> Callable[..., Samples]:
    """Noise from a seed; two seeds give clips that are not near duplicates."""

    def make(seed: int, length: int = 22050) -> Samples:
        wave = np.random.RandomState(seed).standard_normal(length) * 3000.0
        return np.rint(np.clip(wave, -30000, 30000)).astype(np.int16)

    return make


@pytest.fixture
def audio(tmp_path: Path, noise: Callable[..., Samples]) -> Callable[..., Path]:
    """Write one audio file into the test's folder: the samples given, or noise from ``seed``."""

    def write(name: str, samples: Any = None, *, seed: int = 0, rate: int = 22050, **how: Any):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, noise(seed) if samples is None else samples, rate, **how)
        return path

    return write


@pytest.fixture
def make_store(tmp_path: Path) -> Callable[..., Store]:
    """A store of clips given by name and class; clip i has the samples 100 i, 100 i + 1, ...

    At the default sample rate of 20 Hz a clip of 30 s has 600 samples.
    """
    made = 0

    def make(
        names: Sequence[str],
        labels: Sequence[str] | None = None,
        *,
        length: int | Sequence[int] = 600,
        sample_rate: int = 20,
        faults: Mapping[str, str] | None = None,
        attributes: Mapping[str, Mapping[str, str]] | None = None,
    ) -> Store:
        nonlocal made
        made += 1
        lengths = [length] * len(names) if isinstance(length, int) else list(length)
        clips = []
        for i, name in enumerate(names):
            fault = (faults or {}).get(name)
            samples = (np.arange(0 if fault else lengths[i]) + 100 * i).astype(np.int16)
            clips.append(
                PackedClip(
                    name=name,
                    file=f"{name}.wav",
                    label=labels[i] if labels else name.split(".")[0],
                    samples=samples,
                    sha256=hashlib.sha256(samples.tobytes()).hexdigest(),
                    fault=fault,
                    detail="injected" if fault else "",
                    attributes=dict((attributes or {}).get(name, {})),
                )
            )
        path = tmp_path / f"store-{made}.arrow"
        write_store(path, clips, sample_rate=sample_rate, source=f"source {made}", decoders="none")
        return Store(path)

    return make


@pytest.fixture
def gtzan(make_store: Callable[..., Store]) -> Callable[..., Store]:
    """GTZAN by its names, at 20 samples a second, without some clips."""

    def make(missing: Sequence[str] = (), **how: Any) -> Store:
        return make_store([name for name in gtzan_names() if name not in missing], **how)

    return make
