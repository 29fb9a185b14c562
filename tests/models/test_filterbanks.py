import librosa
import pytest
import scipy.fft
import torch

from genretune.models.errors import ModelError
from genretune.models.filterbanks import (
    cosine_transform,
    frequency_range,
    inverted_mel_bank,
    linear_bank,
    mel_bank,
)

RATE, N_FFT = 22050, 1024
BINS = N_FFT // 2 + 1


@pytest.mark.parametrize("scale", ["slaney", "htk"])
@pytest.mark.parametrize("norm", [None, "slaney"])
@pytest.mark.parametrize(("f_min", "f_max"), [(0.0, None), (300.0, 8000.0)])
def test_mel_bank_matches_librosa(
    scale: str, norm: str | None, f_min: float, f_max: float | None
) -> None:
    ours = mel_bank(
        bins=BINS,
        n_mels=40,
        sample_rate=RATE,
        f_min=f_min,
        f_max=f_max,
        mel_scale=scale,  # type: ignore[arg-type]
        norm=norm,  # type: ignore[arg-type]
    )
    theirs = librosa.filters.mel(
        sr=RATE, n_fft=N_FFT, n_mels=40, fmin=f_min, fmax=f_max, htk=scale == "htk", norm=norm
    )
    torch.testing.assert_close(ours, torch.from_numpy(theirs), rtol=1e-3, atol=2e-5)


@pytest.mark.parametrize(("f_min", "f_max"), [(0.0, None), (500.0, 9000.0)])
def test_inverted_mel_mirrors_mel(f_min: float, f_max: float | None) -> None:
    def build(low: float, high: float | None, inverted: bool) -> torch.Tensor:
        bank = inverted_mel_bank if inverted else mel_bank
        return bank(bins=BINS, n_mels=40, sample_rate=RATE, f_min=low, f_max=high)

    inverted = build(f_min, f_max, True)
    top = RATE / 2
    mirrored = build(0.0 if f_max is None else top - f_max, top - f_min, False)
    for filter_number in range(40):
        for_bin = mirrored[39 - filter_number].flip(0)
        assert torch.equal(inverted[filter_number], for_bin)
    widths = (inverted > 0).sum(1)
    assert widths[0] > widths[-1]  # fine at the top, where mel is coarse


def test_linear_bank_is_equally_spaced() -> None:
    bank = linear_bank(bins=BINS, n_filter=31, sample_rate=RATE, f_min=0.0, f_max=None)
    centres = bank.argmax(1)
    assert torch.equal(centres, torch.arange(1, 32) * 16)
    assert torch.equal(bank.amax(1), torch.ones(31))


def test_cosine_transform_is_the_orthonormal_dct() -> None:
    ours = cosine_transform(coefficients=13, filters=40, argument="n_mfcc", of="n_mels")
    theirs = scipy.fft.dct(torch.eye(40).double().numpy(), type=2, norm="ortho", axis=0)[:13]
    torch.testing.assert_close(ours.double(), torch.from_numpy(theirs), rtol=1e-4, atol=1e-6)


def test_more_coefficients_than_filters() -> None:
    with pytest.raises(ModelError, match=r"feature\.n_mfcc: must be at most n_mels, 40, got 41"):
        cosine_transform(coefficients=41, filters=40, argument="n_mfcc", of="n_mels")


def test_frequency_range() -> None:
    assert frequency_range(20.0, None, RATE) == (20.0, 11025.0)
    with pytest.raises(ModelError, match=r"feature\.f_max: .* 11025 Hz, got 12000"):
        frequency_range(0.0, 12000.0, RATE)
    with pytest.raises(ModelError, match=r"feature\.f_min: must be below f_max, 500 Hz, got 500"):
        frequency_range(500.0, 500.0, RATE)


def test_empty_filters_are_an_error() -> None:
    with pytest.raises(ModelError, match="got 128 filters over 129 bins, .* of them empty"):
        mel_bank(bins=129, n_mels=128, sample_rate=RATE, f_min=0.0, f_max=None)
