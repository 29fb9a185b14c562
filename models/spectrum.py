"""Stages of a feature: spectrum, matrix (filter bank or DCT), logarithm, normalisation.

Shapes: B batch, C channels, S samples, K frequency bins, F features, T time frames.
"""

import math
from collections.abc import Iterable
from typing import Literal

import torch
import torchaudio.transforms as AT
from torch import Tensor, nn

from genretune.models.errors import ModelError

WindowName = Literal["hann", "hamming", "blackman", "bartlett"]
LogName = Literal["ln", "log10", "db"]
Normalize = Literal["window", "statistics"]

_WINDOWS = {
    "hann": torch.hann_window,
    "hamming": torch.hamming_window,
    "blackman": torch.blackman_window,
    "bartlett": torch.bartlett_window,
}
_LOG_FACTORS = {"ln": 1.0, "log10": 1.0 / math.log(10.0), "db": 10.0 / math.log(10.0)}
_VARIANCE_FLOOR = 1e-12


class Spectrum(nn.Module):
    """Short-time Fourier transform, centred with reflection padding; magnitude or power.

    Args:
        n_fft: length of the transform in samples; K = n_fft // 2 + 1.
        hop: distance between frames in samples; T = 1 + S // hop.
        win_length: length of the window function in samples; None means n_fft.
        window: window function.
        power: 1 for magnitude, 2 for power.

    Raises:
        ModelError: for a window function longer than the transform; from ``forward`` and
            ``frames`` for waveforms too short for reflection padding.
    """

    def __init__(
        self, *, n_fft: int, hop: int, win_length: int | None, window: WindowName, power: int
    ) -> None:
        super().__init__()
        length = n_fft if win_length is None else win_length
        if length > n_fft:
            raise ModelError(
                f"feature.win_length: must be at most n_fft, {n_fft}, got {length} "
                "(lower it, raise n_fft, or leave it null)"
            )
        self.n_fft, self.hop, self.power = n_fft, hop, power
        self.bins = n_fft // 2 + 1
        self.transform = AT.Spectrogram(
            n_fft=n_fft, win_length=length, hop_length=hop, window_fn=_WINDOWS[window], power=None
        )

    def forward(self, x_BCS: Tensor) -> Tensor:
        """Map waveforms [B, C, S] to spectra [B, C, K, T]."""
        self.frames(x_BCS.shape[-1])
        z_BCKT: Tensor = self.transform(x_BCS)
        if self.power == 1:
            return z_BCKT.abs()
        # abs() squared without the square root, whose last bit differs between CPUs.
        return z_BCKT.real.square() + z_BCKT.imag.square()

    def frames(self, samples: int) -> int:
        """Return T for S samples.

        Raises:
            ModelError: for S <= n_fft // 2.
        """
        if samples <= self.n_fft // 2:
            raise ModelError(
                f"feature.n_fft: must be below twice the window's {samples} samples, "
                f"got {self.n_fft} (lower it, or use longer windows)"
            )
        return 1 + samples // self.hop


class Matrix(nn.Module):
    """A fixed matrix [F, K] applied to the frequency axis: filter bank or cosine transform."""

    matrix: Tensor

    def __init__(self, matrix_FK: Tensor) -> None:
        super().__init__()
        self.register_buffer("matrix", matrix_FK)

    def forward(self, x_BCKT: Tensor) -> Tensor:
        """Map [B, C, K, T] to [B, C, F, T]."""
        return self.matrix @ x_BCKT


class Logarithm(nn.Module):
    """Logarithm of x + eps, accurate even if x is far smaller than eps.

    Args:
        log: ln, log10, or db for ten times log10.
        eps: added to x; eps 1 with ln is log1p.
    """

    def __init__(self, log: LogName, eps: float) -> None:
        super().__init__()
        self.factor, self.eps, self.floor = _LOG_FACTORS[log], eps, math.log(eps)

    def forward(self, x: Tensor) -> Tensor:
        """Map x >= 0 of any shape to the same shape."""
        return (torch.log1p(x / self.eps) + self.floor) * self.factor


class WindowNormalize(nn.Module):
    """Normalisation of each item to mean 0 and variance 1 over channels, bins and frames."""

    def forward(self, x_BCFT: Tensor) -> Tensor:
        """Map [B, C, F, T] to the same shape; a constant item becomes 0."""
        variance, mean = torch.var_mean(x_BCFT, dim=(1, 2, 3), correction=0, keepdim=True)
        return (x_BCFT - mean) * torch.rsqrt(variance + _VARIANCE_FLOOR)


class StatisticsNormalize(nn.Module):
    """Normalisation of each frequency bin to mean 0 and variance 1 over the training set.

    Args:
        bins: F.

    Raises:
        ModelError: from ``forward`` before ``fit`` or ``load_state_dict`` has set the statistics.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, bins: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(bins, 1))
        self.register_buffer("scale", torch.zeros(bins, 1))  # all zero until set
        self._fitted = False

    def forward(self, x_BCFT: Tensor) -> Tensor:
        """Map [B, C, F, T] to the same shape."""
        if not self._fitted:  # cached: reading a value synchronises with the GPU
            self._fitted = bool(self.scale.any())
        if not self._fitted:
            raise ModelError(
                "feature.normalize: statistics must be computed on the training set first, "
                "got none (call fit, or load a checkpoint)"
            )
        return (x_BCFT - self.mean) * self.scale

    def fit(self, images: Iterable[Tensor]) -> None:
        """Compute mean and variance of each bin over all images [B, C, F, T], in float64.

        Raises:
            ModelError: if there are no images.
        """
        count, total, squares = 0, torch.zeros(()), torch.zeros(())
        for x_BCFT in images:
            x = x_BCFT.double()
            count += x.numel() // x.shape[2]
            total = x.sum((0, 1, 3)) + total.to(x)
            squares = x.square().sum((0, 1, 3)) + squares.to(x)
        if not count:
            raise ModelError("feature.normalize: statistics need training data, got none")
        mean = total / count
        # E[x^2] - E[x]^2 cancels, hence float64; rounding may still leave it slightly below 0.
        variance = (squares / count - mean.square()).clamp_min(0.0)
        self.mean.copy_(mean[:, None])
        self.scale.copy_(torch.rsqrt(variance + _VARIANCE_FLOOR)[:, None])
        self._fitted = True
