"""Filter banks and the discrete cosine transform as matrices, computed by torchaudio.

Shapes: K frequency bins of the spectrum, M filters, D coefficients.
"""

import warnings
from typing import Literal

import torch
import torchaudio.functional as AF
from torch import Tensor

from genretune.models.errors import ModelError

MelScale = Literal["slaney", "htk"]
FilterNorm = Literal["slaney"]


def frequency_range(f_min: float, f_max: float | None, sample_rate: int) -> tuple[float, float]:
    """Return both bounds in Hz; ``f_max`` None means half the sample rate.

    Raises:
        ModelError: for an empty range or a bound above half the sample rate.
    """
    nyquist = sample_rate / 2
    upper = nyquist if f_max is None else f_max
    if upper > nyquist:
        raise ModelError(
            f"feature.f_max: must be at most half the sample rate, {nyquist:g} Hz, "
            f"got {upper:g} (lower it, or leave it null)"
        )
    if f_min >= upper:
        raise ModelError(
            f"feature.f_min: must be below f_max, {upper:g} Hz, got {f_min:g} (lower it)"
        )
    return f_min, upper


def mel_bank(
    *,
    bins: int,
    n_mels: int,
    sample_rate: int,
    f_min: float,
    f_max: float | None,
    mel_scale: MelScale = "slaney",
    norm: FilterNorm | None = None,
) -> Tensor:
    """Build triangular filters [M, K], equally spaced on the mel scale.

    Raises:
        ModelError: for an invalid frequency range, or a filter too narrow to contain a bin.
    """
    low, high = frequency_range(f_min, f_max, sample_rate)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # empty filters: an error below
        bank_KM = AF.melscale_fbanks(bins, low, high, n_mels, sample_rate, norm, mel_scale)
    return _check_filters(bank_KM.T.contiguous(), "n_mels", bins)


def inverted_mel_bank(
    *,
    bins: int,
    n_mels: int,
    sample_rate: int,
    f_min: float,
    f_max: float | None,
    mel_scale: MelScale = "slaney",
) -> Tensor:
    """Build mel filters [M, K] mirrored in frequency: narrow at high, wide at low frequencies.

    Chakroborty, Roy, Saha: Improved Closed Set Text-Independent Speaker Identification by
    Combining MFCC with Evidence from Flipped Filter Banks, 2007.

    Raises:
        ModelError: as :func:`mel_bank`.
    """
    low, high = frequency_range(f_min, f_max, sample_rate)
    nyquist = sample_rate / 2
    bank_MK = mel_bank(
        bins=bins,
        n_mels=n_mels,
        sample_rate=sample_rate,
        f_min=nyquist - high,
        f_max=nyquist - low,
        mel_scale=mel_scale,
    )
    return bank_MK.flip(0, 1).contiguous()


def linear_bank(
    *, bins: int, n_filter: int, sample_rate: int, f_min: float, f_max: float | None
) -> Tensor:
    """Build triangular filters [M, K], equally spaced in Hz.

    Raises:
        ModelError: as :func:`mel_bank`.
    """
    low, high = frequency_range(f_min, f_max, sample_rate)
    bank_KM = AF.linear_fbanks(bins, low, high, n_filter, sample_rate)
    return _check_filters(bank_KM.T.contiguous(), "n_filter", bins)


def cosine_transform(*, coefficients: int, filters: int, argument: str, of: str) -> Tensor:
    """Build the orthonormal DCT-II matrix [D, M] of the first D coefficients.

    Args:
        argument: name of the argument that sets D, for messages.
        of: name of the argument that sets M, for messages.

    Raises:
        ModelError: if there are more coefficients than filters.
    """
    if coefficients > filters:
        raise ModelError(
            f"feature.{argument}: must be at most {of}, {filters}, got {coefficients} "
            f"(lower it, or raise {of})"
        )
    return torch.as_tensor(AF.create_dct(coefficients, filters, "ortho")).T.contiguous()


def _check_filters(bank_MK: Tensor, argument: str, bins: int) -> Tensor:
    empty = int((bank_MK.amax(1) <= 0).sum())
    if empty:
        raise ModelError(
            f"feature.{argument}: every filter must contain a bin of the spectrum, "
            f"got {bank_MK.shape[0]} filters over {bins} bins, {empty} of them empty "
            "(use fewer filters, a larger n_fft, or mel_scale slaney)"
        )
    return bank_MK
