"""Augmentations of training items, randomised by one seed per item.

Each module draws a row of numbers for each item (``draw``: on the CPU, from a generator of the
item's own) and maps a batch with its rows to a batch of the same shape. So the draws of an item
depend neither on the other items of a batch nor on the device, and those of a whole epoch can be
sent to the device at once. In evaluation mode the input is returned unchanged.

Shapes: B batch, N items, C channels, S samples, F frequency bins, T time frames, M masks.
"""

import math
import random
from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from genretune.models import draws
from genretune.models.errors import ModelError
from genretune.models.layers import Shape

Domain = Literal["waveform", "spectrogram", "pair"]
Fill = Literal["mean", "zero"]

Masks = Annotated[int, Field(ge=0)]
Width = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(gt=0, le=1)]
Alpha = Annotated[float, Field(gt=0)]

_MIN_POWER = 1e-30
_MIXUP_RESOLUTION = 1 << 16


class RandomGain(nn.Module):
    """Random gain per item, uniform in [min_db, max_db] dB; samples may leave [-1, 1].

    Raises:
        ModelError: if min_db exceeds max_db.
    """

    domain: ClassVar[Domain] = "waveform"

    def __init__(self, *, min_db: float = -6.0, max_db: float = 6.0) -> None:
        super().__init__()
        _check_bounds("gain", "min_db", min_db, "max_db", max_db)
        self.min_db, self.max_db = min_db, max_db

    def draw(self, seeds: Sequence[int]) -> Tensor:
        """Draw the factor of each item, float32 [N]."""
        gains = [_draw_uniform(_generator(seed), self.min_db, self.max_db) for seed in seeds]
        return torch.tensor([10.0 ** (gain / 20.0) for gain in gains], dtype=torch.float32)

    def forward(self, x_BCS: Tensor, factor_B: Tensor) -> Tensor:
        """Map [B, C, S] to the same shape, with rows of ``draw``."""
        if not self.training:
            return x_BCS
        _check_rows(x_BCS, factor_B)
        return x_BCS * factor_B.to(x_BCS.dtype)[:, None, None]


class WhiteNoise(nn.Module):
    """White noise at a signal-to-noise ratio uniform in [min_snr_db, max_snr_db] dB.

    Signal and noise power are measured over the whole item; a silent item stays silent, since no
    noise level gives it a ratio.

    Raises:
        ModelError: if min_snr_db exceeds max_snr_db.
    """

    domain: ClassVar[Domain] = "waveform"

    def __init__(self, *, min_snr_db: float = 10.0, max_snr_db: float = 40.0) -> None:
        super().__init__()
        _check_bounds("noise", "min_snr_db", min_snr_db, "max_snr_db", max_snr_db)
        self.min_snr_db, self.max_snr_db = min_snr_db, max_snr_db

    def draw(self, seeds: Sequence[int]) -> Tensor:
        """Draw the ratio of noise to signal power of each item, float32 [N]."""
        ratios = [_draw_uniform(_generator(s), self.min_snr_db, self.max_snr_db) for s in seeds]
        return torch.tensor([10.0 ** (-snr / 10.0) for snr in ratios], dtype=torch.float32)

    def forward(self, x_BCS: Tensor, ratio_B: Tensor, noise_BCS: Tensor) -> Tensor:
        """Map [B, C, S] to the same shape, with rows of ``draw`` and of :func:`draw_noise`."""
        if not self.training:
            return x_BCS
        _check_rows(x_BCS, ratio_B)
        noise_BCS, ratio_B11 = noise_BCS.to(x_BCS.dtype), ratio_B.to(x_BCS.dtype)[:, None, None]
        power_B11 = x_BCS.square().mean((1, 2), keepdim=True) * ratio_B11
        power_B11 = power_B11 / noise_BCS.square().mean((1, 2), keepdim=True)
        # p * rsqrt(p) equals sqrt(p), but rounds identically on all CPUs, unlike torch.sqrt.
        # The clamp keeps a silent item at 0 instead of 0 * inf = NaN.
        return x_BCS + noise_BCS * (power_B11 * torch.rsqrt(power_B11.clamp_min(_MIN_POWER)))


class SpecAugment(nn.Module):
    """Frequency and time masks, identical in all channels of an item.

    Park et al.: SpecAugment, https://arxiv.org/abs/1904.08779 (without time warping).

    Args:
        freq_masks: number of frequency masks; each is 0 to ``freq_width`` bins wide.
        freq_width: F of the paper, in bins.
        time_masks: number of time masks; each is 0 to ``time_width`` frames wide.
        time_width: T of the paper, in frames.
        time_share: p of the paper: maximum width of a time mask as a fraction of the frames.
        fill: value of masked elements: the mean of the item, or zero.

    Raises:
        ModelError: from ``check`` and ``forward``, if ``freq_width`` exceeds the number of bins.
    """

    domain: ClassVar[Domain] = "spectrogram"

    def __init__(
        self,
        *,
        freq_masks: Masks = 2,
        freq_width: Width = 12,
        time_masks: Masks = 2,
        time_width: Width = 24,
        time_share: Share = 0.2,
        fill: Fill = "mean",
    ) -> None:
        super().__init__()
        self.freq_masks, self.freq_width = freq_masks, freq_width
        self.time_masks, self.time_width = time_masks, time_width
        self.time_share, self.fill = time_share, fill

    def check(self, input_shape: Shape) -> None:
        """Raise ModelError if ``freq_width`` exceeds the bins of an image (C, F, T)."""
        if self.freq_masks and self.freq_width > input_shape[1]:
            raise ModelError(
                f"augment.specaugment.freq_width: must be at most the feature's {input_shape[1]} "
                f"bins, got {self.freq_width} (lower it)"
            )

    def draw(self, seeds: Sequence[int], input_shape: Shape) -> Tensor:
        """Draw the (start, end) of each item's masks, first those of bins, int64 [N, M, 2].

        Args:
            input_shape: (C, F, T) of an image.
        """
        self.check(input_shape)
        _, bins, frames = input_shape
        width = min(self.time_width, math.floor(self.time_share * frames))
        masks = [(bins, self.freq_width)] * self.freq_masks + [(frames, width)] * self.time_masks
        drawn = []
        for seed in seeds:
            generator = _generator(seed)
            drawn.append([_draw_interval(generator, *mask) for mask in masks])
        return torch.tensor(drawn, dtype=torch.int64).view(len(seeds), len(masks), 2)

    def forward(self, x_BCFT: Tensor, masks_BM2: Tensor) -> Tensor:
        """Map [B, C, F, T] to the same shape, with rows of ``draw``."""
        if not self.training:
            return x_BCFT
        _check_rows(x_BCFT, masks_BM2)
        _, _, bins, frames = x_BCFT.shape
        masked_BF = _covered(masks_BM2[:, : self.freq_masks], bins)
        masked_BT = _covered(masks_BM2[:, self.freq_masks :], frames)
        masked_B1FT = (masked_BF[:, :, None] | masked_BT[:, None, :])[:, None]
        if self.fill == "zero":
            return x_BCFT.masked_fill(masked_B1FT, 0.0)
        return torch.where(masked_B1FT, x_BCFT.mean((1, 2, 3), keepdim=True), x_BCFT)


class Mixup(nn.Module):
    """Mixup of each item with a partner drawn from the whole training set.

    Zhang et al.: mixup, https://arxiv.org/abs/1710.09412. The training loop draws partners and
    proportions (:func:`draw_mixup`), loads the partners and blends the losses in the same
    proportions.

    Args:
        alpha: parameter of Beta(alpha, alpha), the distribution of the proportion.
    """

    domain: ClassVar[Domain] = "pair"

    def __init__(self, *, alpha: Alpha = 0.2) -> None:
        super().__init__()
        self.alpha = alpha

    def forward(self, x: Tensor, partner: Tensor, proportions: Tensor) -> Tensor:
        """Return p x + (1 - p) partner for x and partner [B, ...], with one p per item, [B]."""
        if not self.training:
            return x
        return torch.lerp(partner, x, proportions.to(x.dtype).view(-1, *[1] * (x.dim() - 1)))


def draw_mixup(seed: int, n: int, alpha: float) -> tuple[int, float]:
    """Draw one item's partner in 0..n-1 and the item's own proportion from Beta(alpha, alpha).

    The proportion is rounded to a multiple of 2^-16: the last bits of a Beta draw depend on the
    machine's math library.
    """
    generator = random.Random(seed)
    partner = generator.randrange(n)
    return partner, round(
        generator.betavariate(alpha, alpha) * _MIXUP_RESOLUTION
    ) / _MIXUP_RESOLUTION


def draw_offset(seed: int, maximum: int) -> int:
    """Draw the offset of one window in samples, uniform in 0..maximum (both included)."""
    return _draw_integer(_generator(seed), maximum)


def draw_noise(seeds: Sequence[int], shape: Sequence[int], device: torch.device) -> Tensor:
    """Draw white noise of unit power for each item, float32 [B, *shape], on ``device``.

    float32 whatever the precision, so that a seed yields the same noise in every one.
    """
    noise = torch.empty((len(seeds), *shape), dtype=torch.float32, device=device)
    for item, seed in zip(noise, seeds, strict=True):
        generator = draws.generator(device, seed)
        # WhiteNoise.draw takes the first number of the same stream on the CPU: replay needs this.
        torch.rand((), dtype=torch.float64, generator=generator, device=device)
        item.normal_(generator=generator)
    return noise


def _generator(seed: int) -> torch.Generator:
    return draws.generator(draws.CPU, seed)


def _draw_uniform(generator: torch.Generator, low: float, high: float) -> float:
    drawn = torch.rand((), dtype=torch.float64, generator=generator, device="cpu")
    return low + (high - low) * float(drawn)


def _draw_integer(generator: torch.Generator, maximum: int) -> int:
    return int(torch.randint(0, maximum + 1, (), generator=generator, device="cpu"))


def _draw_interval(generator: torch.Generator, length: int, max_width: int) -> tuple[int, int]:
    """Draw (start, end) within ``length``, 0..max_width wide.

    Replay depends on the order of the two draws: width first, then start.
    """
    width = _draw_integer(generator, max_width)
    start = _draw_integer(generator, length - width)
    return start, start + width


def _check_bounds(name: str, low_name: str, low: float, high_name: str, high: float) -> None:
    if low > high:
        raise ModelError(
            f"augment.{name}.{low_name}: must not exceed {high_name}, {high:g}, got {low:g} "
            "(swap them)"
        )


def _covered(intervals_BM2: Tensor, length: int) -> Tensor:
    """Return which of ``length`` places lie in any of an item's intervals, bool [B, length]."""
    place = torch.arange(length, device=intervals_BM2.device)
    start, end = intervals_BM2[..., 0, None], intervals_BM2[..., 1, None]
    return ((place >= start) & (place < end)).any(1)


def _check_rows(x: Tensor, drawn: Tensor) -> None:
    if drawn.shape[0] != x.shape[0]:
        raise ModelError(
            f"augment: needs one row of draws for each of the {x.shape[0]} items, got "
            f"{drawn.shape[0]} (draw as many as items)"
        )
