"""Dropout whose mask is a function of an explicit seed, drawn cheaply on the CPU.

Shapes: B batch, C channels, H height (frequency), W width (time).
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from genretune.models.errors import ModelError
from genretune.models.layers import send


class SeededDropout(nn.Module):
    """Zero each value with probability ``rate`` while training and scale the rest by 1/(1-rate).

    The training loop sets ``seed`` before each batch (see :func:`seed_dropout`). The mask is
    drawn on the CPU, so that it does not depend on the device, item after item, so that splitting
    a batch into micro-batches leaves it as it is, and with channels last, so that it does not
    depend on the memory format and is cheap in the fast one.

    Args:
        rate: probability in [0, 1); 0 and None draw nothing and pass the input through.

    Raises:
        ModelError: from ``forward`` in training mode, if no seed was set.
    """

    def __init__(self, rate: float | None) -> None:
        super().__init__()
        self.rate = rate or 0.0
        self._seed: int | None = None
        self._generator: torch.Generator | None = None

    @property
    def seed(self) -> int | None:
        """The seed of the current batch; setting it starts the random stream anew."""
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
            self._generator = torch.Generator(device="cpu").manual_seed(self._seed)
        return x * _mask(x, self.rate, self._generator)

    def extra_repr(self) -> str:
        return f"rate={self.rate}"

    def __getstate__(self) -> dict[str, object]:
        # A generator cannot be pickled in every version of torch, and the seed brings it back.
        return {**self.__dict__, "_generator": None}


def seed_dropout(model: nn.Module, seed_of: Callable[[str], int]) -> None:
    """Give every dropout layer its seed for the next batch.

    Args:
        model: any module; layers are found wherever they stand in it.
        seed_of: maps the layer's dotted name to a seed.
    """
    for name, module in model.named_modules():
        if isinstance(module, SeededDropout):
            module.seed = seed_of(name)


def _mask(x: Tensor, rate: float, generator: torch.Generator) -> Tensor:
    """Draw what x is multiplied with: 0 or 1 / (1 - rate), of x's shape, type and device."""
    shape = tuple(x.shape)
    channels_last = len(shape) == 4
    order = (shape[0], shape[2], shape[3], shape[1]) if channels_last else shape
    values = math.prod(order[1:])
    drawn, least = _draw(order[0], values, rate, generator)
    mask = torch.empty(order[0], values, dtype=x.dtype, device=x.device)
    # Compared straight into numbers: a detour over booleans takes three times as long.
    torch.ge(send(drawn, x.device), least, out=mask).mul_(1.0 / (1.0 - rate))
    mask = mask.view(order)
    return mask.permute(0, 3, 1, 2) if channels_last else mask


def _draw(items: int, values: int, rate: float, generator: torch.Generator) -> tuple[Tensor, int]:
    """Draw [items, values] integers and the least one that stays.

    Random bits come 64 at a time. A rate of n/256 takes 8 of them for each value; every other rate
    takes 32, and is kept to within 2^-33.
    """
    dtype, bits, lowest = torch.uint8, 8, 0
    if (rate * 2**bits) % 1.0:
        dtype, bits, lowest = torch.int32, 32, -(2**31)
    words = torch.empty(items, -(-values * bits // 64), dtype=torch.int64, device="cpu")
    words.random_(-(2**63), None, generator=generator)
    return words.view(dtype)[:, :values], lowest + round(rate * 2**bits)
