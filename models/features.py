"""Features: transforms from waveforms to time-frequency images, on the device of the module.

Each function below builds one feature from plain keyword arguments; the transforms are
torchaudio's. All features share the arguments of the short-time Fourier transform, ``n_fft``,
``hop``, ``win_length`` (in samples; null means n_fft) and ``window`` (the window function), and
``normalize``: null, ``window`` (each item by its own mean and variance) or ``statistics`` (each
bin by the mean and variance of the training set).

Shapes: B batch, C channels, S samples, F features, T time frames.
"""

from collections.abc import Iterable
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from genretune.models.filterbanks import (
    FilterNorm,
    MelScale,
    cosine_transform,
    inverted_mel_bank,
    linear_bank,
    mel_bank,
)
from genretune.models.layers import Count, Shape
from genretune.models.spectrum import (
    Logarithm,
    LogName,
    Matrix,
    Normalize,
    Spectrum,
    StatisticsNormalize,
    WindowName,
    WindowNormalize,
)

FftLength = Annotated[int, Field(ge=16)]
Power = Annotated[int, Field(ge=1, le=2)]
Eps = Annotated[float, Field(ge=1e-12)]
Hertz = Annotated[float, Field(ge=0)]


class Feature(nn.Module):
    """Spectrum, stages that map [B, C, F, T] to [B, C, F', T], and normalisation.

    Args:
        bins: F after the last stage; None if the stages keep the bins of the spectrum.

    Attributes:
        needs_statistics: whether ``fit`` must be called on the training set before training.
    """

    def __init__(
        self,
        spectrum: Spectrum,
        stages: Iterable[nn.Module] = (),
        *,
        bins: int | None = None,
        normalize: Normalize | None = None,
    ) -> None:
        super().__init__()
        self.spectrum = spectrum
        self.stages = nn.ModuleList(stages)
        self.bins = spectrum.bins if bins is None else bins
        self.normalize: nn.Module | None = None
        if normalize == "window":
            self.normalize = WindowNormalize()
        elif normalize == "statistics":
            self.normalize = StatisticsNormalize(self.bins)
        self.needs_statistics = normalize == "statistics"

    def forward(self, x_BCS: Tensor) -> Tensor:
        """Map waveforms [B, C, S], in [-1, 1], to float32 images [B, C, F, T].

        Raises:
            ModelError: for waveforms of n_fft // 2 samples or fewer, or missing statistics.
        """
        x_BCFT = self._unnormalized(x_BCS)
        return x_BCFT if self.normalize is None else self.normalize(x_BCFT)

    def fit(self, batches: Iterable[Tensor]) -> None:
        """Compute the statistics of the training set from its waveforms [B, C, S].

        Does nothing unless ``normalize`` is ``statistics``.

        Raises:
            ModelError: if there are no waveforms.
        """
        if isinstance(self.normalize, StatisticsNormalize):
            with torch.no_grad():
                self.normalize.fit(self._unnormalized(x_BCS) for x_BCS in batches)

    def shape(self, *, channels: int, samples: int) -> Shape:
        """Return (C, F, T) of the image of a waveform [channels, samples]."""
        return channels, self.bins, self.spectrum.frames(samples)

    def _unnormalized(self, x_BCS: Tensor) -> Tensor:
        # Spectra span many orders of magnitude: half precision would flush quiet bins to zero.
        with torch.autocast(x_BCS.device.type, enabled=False):
            x_BCFT: Tensor = self.spectrum(x_BCS.float())
            for stage in self.stages:
                x_BCFT = stage(x_BCFT)
            return x_BCFT


def rawspec(
    *,
    n_fft: FftLength = 1024,
    hop: Count = 512,
    win_length: Count | None = None,
    window: WindowName = "hann",
    normalize: Normalize | None = None,
) -> Feature:
    """Build a magnitude spectrogram."""
    spectrum = Spectrum(n_fft=n_fft, hop=hop, win_length=win_length, window=window, power=1)
    return Feature(spectrum, normalize=normalize)


def powerspec(
    *,
    n_fft: FftLength = 1024,
    hop: Count = 512,
    win_length: Count | None = None,
    window: WindowName = "hann",
    normalize: Normalize | None = None,
) -> Feature:
    """Build a power spectrogram (squared magnitude)."""
    spectrum = Spectrum(n_fft=n_fft, hop=hop, win_length=win_length, window=window, power=2)
    return Feature(spectrum, normalize=normalize)


def logspec(
    *,
    n_fft: FftLength = 1024,
    hop: Count = 512,
    win_length: Count | None = None,
    window: WindowName = "hann",
    power: Power = 2,
    log: LogName = "ln",
    eps: Eps = 1.0,
    normalize: Normalize | None = None,
) -> Feature:
    """Build a log spectrogram, log(x + eps)."""
    spectrum = Spectrum(n_fft=n_fft, hop=hop, win_length=win_length, window=window, power=power)
    return Feature(spectrum, [Logarithm(log, eps)], normalize=normalize)


def melspec(
    *,
    sample_rate: int,
    n_fft: FftLength = 1024,
    hop: Count = 512,
    win_length: Count | None = None,
    window: WindowName = "hann",
    n_mels: Count = 128,
    f_min: Hertz = 0.0,
    f_max: Hertz | None = None,
    mel_scale: MelScale = "slaney",
    norm: FilterNorm | None = None,
    log: LogName | None = "ln",
    eps: Eps = 1e-3,
    normalize: Normalize | None = None,
) -> Feature:
    """Build a mel power spectrogram; logarithmic unless ``log`` is null."""
    spectrum = Spectrum(n_fft=n_fft, hop=hop, win_length=win_length, window=window, power=2)
    bank = mel_bank(
        bins=spectrum.bins,
        n_mels=n_mels,
        sample_rate=sample_rate,
        f_min=f_min,
        f_max=f_max,
        mel_scale=mel_scale,
        norm=norm,
    )
    stages: list[nn.Module] = [Matrix(bank)]
    if log is not None:
        stages.append(Logarithm(log, eps))
    return Feature(spectrum, stages, bins=n_mels, normalize=normalize)


def mfcc(
    *,
    sample_rate: int,
    n_fft: FftLength = 1024,
    hop: Count = 512,
    win_length: Count | None = None,
    window: WindowName = "hann",
    n_mfcc: Count = 40,
    n_mels: Count = 128,
    f_min: Hertz = 0.0,
    f_max: Hertz | None = None,
    mel_scale: MelScale = "slaney",
    log: LogName = "ln",
    eps: Eps = 1e-6,
    normalize: Normalize | None = None,
) -> Feature:
    """Build mel-frequency cepstral coefficients: the DCT of a log mel spectrogram."""
    spectrum = Spectrum(n_fft=n_fft, hop=hop, win_length=win_length, window=window, power=2)
    dct = cosine_transform(coefficients=n_mfcc, filters=n_mels, argument="n_mfcc", of="n_mels")
    bank = mel_bank(
        bins=spectrum.bins,
        n_mels=n_mels,
        sample_rate=sample_rate,
        f_min=f_min,
        f_max=f_max,
        mel_scale=mel_scale,
    )
    stages = [Matrix(bank), Logarithm(log, eps), Matrix(dct)]
    return Feature(spectrum, stages, bins=n_mfcc, normalize=normalize)


def lfcc(
    *,
    sample_rate: int,
    n_fft: FftLength = 1024,
    hop: Count = 512,
    win_length: Count | None = None,
    window: WindowName = "hann",
    n_lfcc: Count = 40,
    n_filter: Count = 128,
    f_min: Hertz = 0.0,
    f_max: Hertz | None = None,
    log: LogName = "ln",
    eps: Eps = 1e-6,
    normalize: Normalize | None = None,
) -> Feature:
    """Build linear-frequency cepstral coefficients: MFCC with filters equally spaced in Hz."""
    spectrum = Spectrum(n_fft=n_fft, hop=hop, win_length=win_length, window=window, power=2)
    dct = cosine_transform(coefficients=n_lfcc, filters=n_filter, argument="n_lfcc", of="n_filter")
    bank = linear_bank(
        bins=spectrum.bins, n_filter=n_filter, sample_rate=sample_rate, f_min=f_min, f_max=f_max
    )
    stages = [Matrix(bank), Logarithm(log, eps), Matrix(dct)]
    return Feature(spectrum, stages, bins=n_lfcc, normalize=normalize)


def imfcc(
    *,
    sample_rate: int,
    n_fft: FftLength = 1024,
    hop: Count = 512,
    win_length: Count | None = None,
    window: WindowName = "hann",
    n_imfcc: Count = 40,
    n_mels: Count = 128,
    f_min: Hertz = 0.0,
    f_max: Hertz | None = None,
    mel_scale: MelScale = "slaney",
    log: LogName = "ln",
    eps: Eps = 1e-6,
    normalize: Normalize | None = None,
) -> Feature:
    """Build inverted MFCC: filters narrow at high and wide at low frequencies."""
    spectrum = Spectrum(n_fft=n_fft, hop=hop, win_length=win_length, window=window, power=2)
    dct = cosine_transform(coefficients=n_imfcc, filters=n_mels, argument="n_imfcc", of="n_mels")
    bank = inverted_mel_bank(
        bins=spectrum.bins,
        n_mels=n_mels,
        sample_rate=sample_rate,
        f_min=f_min,
        f_max=f_max,
        mel_scale=mel_scale,
    )
    stages = [Matrix(bank), Logarithm(log, eps), Matrix(dct)]
    return Feature(spectrum, stages, bins=n_imfcc, normalize=normalize)
