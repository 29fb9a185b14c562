import math
from collections.abc import Callable

import librosa
import numpy as np
import pytest
import torch
from torch import Tensor

from genretune.models.errors import ModelError
from genretune.models.spectrum import Logarithm, Spectrum, StatisticsNormalize, WindowNormalize


@pytest.mark.parametrize("window", ["hann", "hamming", "blackman", "bartlett"])
@pytest.mark.parametrize("win_length", [None, 200])
@pytest.mark.parametrize("power", [1, 2])
def test_spectrum_matches_librosa(
    window: str, win_length: int | None, power: int, noise: Callable[..., Tensor]
) -> None:
    spectrum = Spectrum(
        n_fft=256,
        hop=100,
        win_length=win_length,
        window=window,  # type: ignore[arg-type]
        power=power,
    )
    x = noise(1, 1, 3001)
    theirs = librosa.stft(
        x[0, 0].numpy(),
        n_fft=256,
        hop_length=100,
        win_length=win_length,
        window=window,
        pad_mode="reflect",
    )
    expected = torch.from_numpy(np.abs(theirs) ** power)
    torch.testing.assert_close(spectrum(x)[0, 0], expected, rtol=1e-3, atol=1e-4)


def test_window_function_longer_than_the_transform() -> None:
    with pytest.raises(ModelError, match=r"feature\.win_length: must be at most n_fft, 256"):
        Spectrum(n_fft=256, hop=100, win_length=257, window="hann", power=2)


def test_waveform_too_short_for_reflection_padding() -> None:
    spectrum = Spectrum(n_fft=256, hop=100, win_length=None, window="hann", power=2)
    assert spectrum.frames(129) == spectrum(torch.zeros(1, 1, 129)).shape[-1] == 2
    for call in (lambda: spectrum.frames(128), lambda: spectrum(torch.zeros(1, 1, 128))):
        with pytest.raises(ModelError, match="twice the window's 128 samples, got 256"):
            call()


@pytest.mark.parametrize(("log", "base"), [("ln", math.e), ("log10", 10.0), ("db", 10**0.1)])
def test_logarithm(log: str, base: float) -> None:
    x = torch.tensor([0.0, 1e-7, 1e-3, 1.0, 1e5])
    for eps in (1e-6, 1.0):
        ours = Logarithm(log, eps)(x)  # type: ignore[arg-type]
        expected = [math.log(float(v) + eps) / math.log(base) for v in x]
        torch.testing.assert_close(ours, torch.tensor(expected), rtol=1e-5, atol=1e-6)


def test_small_values_survive_log1p() -> None:
    x = torch.tensor([4e-6])
    torch.testing.assert_close(Logarithm("ln", 1.0)(x), x.log1p(), rtol=1e-6, atol=0)


def test_window_normalize_treats_items_independently(noise: Callable[..., Tensor]) -> None:
    x = noise(3, 2, 8, 9) * 100 + 7
    out = WindowNormalize()(x)
    for item in range(3):
        assert abs(float(out[item].mean())) < 1e-5
        assert abs(float(out[item].var(correction=0)) - 1) < 1e-4
        torch.testing.assert_close(out[item], WindowNormalize()(x[item : item + 1])[0])


def test_constant_items_become_zero() -> None:
    assert torch.equal(WindowNormalize()(torch.full((1, 1, 4, 4), 3.0)), torch.zeros(1, 1, 4, 4))


def test_statistics_do_not_depend_on_batches(noise: Callable[..., Tensor]) -> None:
    x = noise(7, 1, 5, 11) * torch.arange(1, 6)[:, None] + 3
    whole, parts = StatisticsNormalize(5), StatisticsNormalize(5)
    whole.fit([x])
    parts.fit(x.split(3))
    torch.testing.assert_close(whole.mean, parts.mean, rtol=1e-6, atol=0)
    out = whole(x)
    assert float(out.mean((0, 1, 3)).abs().max()) < 1e-5
    assert float((out.var((0, 1, 3), correction=0) - 1).abs().max()) < 1e-4


def test_missing_statistics_are_an_error() -> None:
    module = StatisticsNormalize(3)
    with pytest.raises(ModelError, match="statistics must be computed"):
        module(torch.ones(1, 1, 3, 4))
    with pytest.raises(ModelError, match="need training data"):
        module.fit([])
    fitted = StatisticsNormalize(3)
    fitted.fit([torch.arange(12.0).view(1, 1, 3, 4)])
    module.load_state_dict(fitted.state_dict())
    assert torch.equal(module(torch.ones(1, 1, 3, 4)), fitted(torch.ones(1, 1, 3, 4)))
