"""Dropout whose mask is a function of an explicit seed, drawn on the device of its input.

Shapes: B batch, C channels, H height (frequency), W width (time).
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from genretune.models import draws
from genretune.models.errors import ModelError


class SeededDropout(nn.Module):
    """Inverted dropout: zeroes values with probability ``rate``, scales the rest by 1/(1-rate).

    The training loop sets ``seed`` before each batch (see :func:`seed_dropout`). The mask is drawn

    - on the device of the input: a GPU does not wait for a CPU, and draws another mask;
    - item by item, so on a CPU it does not depend on how a batch is split into micro-batches (on a
      GPU, whose generators count by calls, it may);
    - in channels-last order, so it does not depend on the memory format of the input and needs no
      copy in the faster one.

    Args:
        rate: probability in [0, 1); 0 and None return the input without drawing anything.

    Raises:
        ModelError: from ``forward`` in training mode, if no seed is set.
    """

    def __init__(self, rate: float | None) -> None:
        super().__init__()
        self.rate = rate or 0.0
        self._seed: int | None = None
        self._generator: torch.Generator | None = None

    @property
    def seed(self) -> int | None:
        """Seed of the current batch; setting it restarts the random stream."""
        return self._seed

    @seed.setter
    def seed(self, seed: int | None) -> None:
        self._seed = seed
        self._generator = None

    def forward(self, x: Tensor) -> Tensor:
        """Map x of any shape [B, ...] to the same shape."""
        if not self.training or self.rate == 0.0:
            return x
        if self._seed is None:
            raise ModelError(
                "dropout: a seed must be set before each training batch, got none "
                "(call seed_dropout(model, seed_of))"
            )
        if self._generator is None:
            self._generator = draws.generator(x.device, self._seed)
        return x * _mask(x, self.rate, self._generator)

    def extra_repr(self) -> str:
        return f"rate={self.rate}"

    def __getstate__(self) -> dict[str, object]:
        # Not every torch version can pickle a generator; forward recreates it from the seed.
        return {**self.__dict__, "_generator": None}


def seed_dropout(model: nn.Module, seed_of: Callable[[str], int]) -> None:
    """Set the seed of every dropout layer for the next batch.

    Args:
        model: any module; nested layers are included.
        seed_of: maps a layer's dotted name to its seed.
    """
    for name, module in model.named_modules():
        if isinstance(module, SeededDropout):
            module.seed = seed_of(name)


def _mask(x: Tensor, rate: float, generator: torch.Generator) -> Tensor:
    """Draw the factors of x, 0 or 1 / (1 - rate), with the shape, dtype and device of x."""
    shape = tuple(x.shape)
    channels_last = len(shape) == 4
    drawn_shape = (shape[0], shape[2], shape[3], shape[1]) if channels_last else shape
    values = math.prod(drawn_shape[1:])
    drawn, threshold = _draw_integers((drawn_shape[0], values), rate, generator, x.device)
    mask = torch.empty(drawn_shape[0], values, dtype=x.dtype, device=x.device)
    # Comparing into a float tensor is three times as fast as converting a boolean mask.
    torch.ge(drawn, threshold, out=mask).mul_(1.0 / (1.0 - rate))
    mask = mask.view(drawn_shape)
    return mask.permute(0, 3, 1, 2) if channels_last else mask


def _draw_integers(
    shape: tuple[int, int], rate: float, generator: torch.Generator, device: torch.device
) -> tuple[Tensor, int]:
    """Draw integers [items, values] and return them with the smallest value that is kept.

    Random bits are drawn in 64-bit words. Every item starts with a new word, so that micro-batches
    get the same bits as the whole batch. A rate n/256 is exact with 8 bits per
    value; any other rate uses 32 bits and is exact to within 2^-33.
    """
    items, values = shape
    dtype, bits, lowest = torch.uint8, 8, 0
    if (rate * 2**bits) % 1.0:
        dtype, bits, lowest = torch.int32, 32, -(2**31)
    words = torch.empty(items, -(-values * bits // 64), dtype=torch.int64, device=device)
    words.random_(-(2**63), None, generator=generator)
    return words.view(dtype)[:, :values], lowest + round(rate * 2**bits)
