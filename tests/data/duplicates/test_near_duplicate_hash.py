"""Frame hashes of clips."""

import numpy as np
import pytest

from genretune.data.duplicates.near_duplicate_hash import frames_per_second, near_duplicate_hash
from genretune.data.synthetic.synth import render


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100])
def test_length_and_rate(rate: int) -> None:
    samples = render("pop", 0, seconds=3.0, seed=0, sample_rate=rate)
    hashes = near_duplicate_hash(samples, rate)
    assert hashes.dtype == np.uint32
    assert abs(len(hashes) - (3.0 - 0.40) * frames_per_second(rate)) <= 2


def test_gain_changes_almost_no_bit() -> None:
    samples = render("jazz", 0, seconds=3.0, seed=0)
    softer = np.rint(samples * 0.25).astype(np.int16)
    differ = np.bitwise_count(
        near_duplicate_hash(samples, 22050) ^ near_duplicate_hash(softer, 22050)
    )
    assert differ.mean() / 32 < 0.02


def test_short_and_silent_clips() -> None:
    assert len(near_duplicate_hash(np.zeros(0, np.int16), 22050)) == 0
    assert len(near_duplicate_hash(np.ones(5000, np.int16), 22050)) == 0
    assert not near_duplicate_hash(np.zeros(44100, np.int16), 22050).any()
