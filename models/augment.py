"""Augmentations of training items, each drawn from the item's own seed.

A module here maps a batch and one seed for each item to a batch of the same shape. Draws come
from a generator made on the CPU for each item, so that an item's draw depends neither on its batch
mates nor on the device. In evaluation mode nothing is changed.

Shapes: B batch, C channels, S samples, F frequency bins, T time frames.
"""

import math
import random
from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from genretune.models.errors import ModelError
from genretune.models.layers import Shape, send

Domain = Literal["waveform", "spectrogram", "pair"]
Fill = Literal["mean", "zero"]

Masks = Annotated[int, Field(ge=0)]
Width = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(gt=0, le=1)]
Alpha = Annotated[float, Field(gt=0)]

_TINY_POWER = 1e-30
_MIXUP_STEPS = 1 << 16


class RandomGain(nn.Module):
    """Make each item louder or softer by a gain uniform in [min_db, max_db]; nothing is clipped.

    Raises:
        ModelError: if min_db exceeds max_db.
    """

    domain: ClassVar[Domain] = "waveform"

    def __init__(self, *, min_db: float = -6.0, max_db: float = 6.0) -> None:
        super().__init__()
        _refuse_reversed("gain", "min_db", min_db, "max_db", max_db)
        self.min_db, self.max_db = min_db, max_db

    def forward(self, x_BCS: Tensor, seeds: Sequence[int]) -> Tensor:
        """Map [B, C, S] to the same shape."""
        if not self.training:
            return x_BCS
        _refuse_count(x_BCS, seeds)
        gains = [_uniform(_generator(seed), self.min_db, self.max_db) for seed in seeds]
        factors = torch.tensor([10.0 ** (gain / 20.0) for gain in gains], dtype=x_BCS.dtype)
        return x_BCS * send(factors, x_BCS.device)[:, None, None]


class WhiteNoise(nn.Module):
    """Add white noise at a signal-to-noise ratio uniform in [min_snr_db, max_snr_db].

    Signal and noise are measured over the whole item; a silent item has no ratio and stays silent.

    Raises:
        ModelError: if min_snr_db exceeds max_snr_db.
    """

    domain: ClassVar[Domain] = "waveform"

    def __init__(self, *, min_snr_db: float = 10.0, max_snr_db: float = 40.0) -> None:
        super().__init__()
        _refuse_reversed("noise", "min_snr_db", min_snr_db, "max_snr_db", max_snr_db)
        self.min_snr_db, self.max_snr_db = min_snr_db, max_snr_db

    def forward(self, x_BCS: Tensor, seeds: Sequence[int]) -> Tensor:
        """Map [B, C, S] to the same shape."""
        if not self.training:
            return x_BCS
        _refuse_count(x_BCS, seeds)
        noise_BCS = torch.empty(x_BCS.shape, dtype=torch.float32)
        ratios: list[float] = []
        for item, seed in enumerate(seeds):
            generator = _generator(seed)
            snr = _uniform(generator, self.min_snr_db, self.max_snr_db)
            ratios.append(10.0 ** (-snr / 10.0))
            noise_BCS[item].normal_(generator=generator)
        noise_BCS = send(noise_BCS, x_BCS.device).to(x_BCS.dtype)
        ratio_B11 = send(torch.tensor(ratios, dtype=x_BCS.dtype), x_BCS.device)[:, None, None]
        power_B11 = x_BCS.square().mean((1, 2), keepdim=True) * ratio_B11
        power_B11 = power_B11 / noise_BCS.square().mean((1, 2), keepdim=True)
        # p * rsqrt(p) is sqrt(p), and rounded alike on all CPUs, which torch.sqrt is not.
        return x_BCS + noise_BCS * (power_B11 * torch.rsqrt(power_B11.clamp_min(_TINY_POWER)))


class SpecAugment(nn.Module):
    """Mask bands of frequency bins and stretches of frames, the same in all channels of an item.

    Park et al.: SpecAugment, https://arxiv.org/abs/1904.08779 (without time warping).

    Args:
        freq_masks: number of frequency masks; each is 0 to ``freq_width`` bins wide.
        freq_width: F of the paper, in bins.
        time_masks: number of time masks; each is 0 to ``time_width`` frames wide.
        time_width: T of the paper, in frames.
        time_share: p of the paper: no time mask is wider than this share of the frames.
        fill: masked values become the mean of the item, or zero.

    Raises:
        ModelError: from ``check`` and ``forward``, if ``freq_width`` exceeds the bins.
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
        """Raise ModelError if images of (C, F, T) cannot be masked as asked."""
        if self.freq_masks and self.freq_width > input_shape[1]:
            raise ModelError(
                f"augment.specaugment.freq_width: must be at most the feature's {input_shape[1]} "
                f"bins, got {self.freq_width} (lower it)"
            )

    def forward(self, x_BCFT: Tensor, seeds: Sequence[int]) -> Tensor:
        """Map [B, C, F, T] to the same shape."""
        if not self.training:
            return x_BCFT
        _refuse_count(x_BCFT, seeds)
        _, channels, bins, frames = x_BCFT.shape
        self.check((channels, bins, frames))
        widest = min(self.time_width, math.floor(self.time_share * frames))
        masked_B1FT = torch.zeros(len(seeds), 1, bins, frames, dtype=torch.bool)
        for item, seed in enumerate(seeds):
            generator = _generator(seed)
            for _ in range(self.freq_masks):
                start, end = _stretch(generator, bins, self.freq_width)
                masked_B1FT[item, :, start:end] = True
            for _ in range(self.time_masks):
                start, end = _stretch(generator, frames, widest)
                masked_B1FT[item, :, :, start:end] = True
        masked_B1FT = send(masked_B1FT, x_BCFT.device)
        if self.fill == "zero":
            return x_BCFT.masked_fill(masked_B1FT, 0.0)
        return torch.where(masked_B1FT, x_BCFT.mean((1, 2, 3), keepdim=True), x_BCFT)


class Mixup(nn.Module):
    """Blend each item with a partner drawn from the whole training set.

    Zhang et al.: mixup, https://arxiv.org/abs/1710.09412. The training loop draws
    (:func:`mixup_draw`), fetches the partners, and blends the losses in the same proportion.

    Args:
        alpha: parameter of Beta(alpha, alpha), from which the proportion is drawn.
    """

    domain: ClassVar[Domain] = "pair"

    def __init__(self, *, alpha: Alpha = 0.2) -> None:
        super().__init__()
        self.alpha = alpha

    def forward(self, x: Tensor, partner: Tensor, proportions: Sequence[float]) -> Tensor:
        """Blend x and partner, both [B, ...]: p x + (1 - p) partner for each item's p."""
        if not self.training:
            return x
        shares = send(torch.tensor(proportions, dtype=x.dtype), x.device)
        return torch.lerp(partner, x, shares.view(-1, *[1] * (x.dim() - 1)))


def mixup_draw(seed: int, n: int, alpha: float) -> tuple[int, float]:
    """Draw a partner in 0..n-1 and the own proportion, Beta(alpha, alpha), of one item.

    The proportion is a multiple of 2^-16: the last bits of a Beta draw depend on the machine's
    mathematical library.
    """
    generator = random.Random(seed)
    partner = generator.randrange(n)
    return partner, round(generator.betavariate(alpha, alpha) * _MIXUP_STEPS) / _MIXUP_STEPS


def offset_draw(seed: int, most: int) -> int:
    """Draw the offset of one window, uniform in 0..most (both included)."""
    return _integer(_generator(seed), most)


def _generator(seed: int) -> torch.Generator:
    return torch.Generator(device="cpu").manual_seed(seed)


def _uniform(generator: torch.Generator, low: float, high: float) -> float:
    drawn = torch.rand((), dtype=torch.float64, generator=generator, device="cpu")
    return low + (high - low) * float(drawn)


def _integer(generator: torch.Generator, most: int) -> int:
    return int(torch.randint(0, most + 1, (), generator=generator, device="cpu"))


def _stretch(generator: torch.Generator, length: int, widest: int) -> tuple[int, int]:
    """Draw a stretch of 0..widest places within ``length``, as (start, end)."""
    width = _integer(generator, widest)
    start = _integer(generator, length - width)
    return start, start + width


def _refuse_reversed(name: str, low: str, least: float, high: str, most: float) -> None:
    if least > most:
        raise ModelError(
            f"augment.{name}.{low}: must not exceed {high}, {most:g}, got {least:g} (swap them)"
        )


def _refuse_count(x: Tensor, seeds: Sequence[int]) -> None:
    if len(seeds) != x.shape[0]:
        raise ModelError(
            f"augment: needs one seed for each of the {x.shape[0]} items, got {len(seeds)} "
            "(pass as many seeds as items)"
        )
