"""Dropout whose mask is a function of an explicit seed, drawn cheaply on the CPU.

Shapes: B batch, C channels, H height (frequency), W width (time).
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from genretune.models.errors import ModelError

_BYTE = 256
_WORD_BYTES = 8


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
        keep = _keep(x.shape, self.rate, self._generator).to(x.device)
        return x * keep.to(x.dtype).mul_(1.0 / (1.0 - self.rate))

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


def _keep(shape: torch.Size, rate: float, generator: torch.Generator) -> Tensor:
    """Draw which values stay, as booleans of ``shape``."""
    channels_last = len(shape) == 4
    order = (shape[0], shape[2], shape[3], shape[1]) if channels_last else tuple(shape)
    drawn = _draw(order[0], math.prod(order[1:]), rate, generator).view(order)
    return drawn.permute(0, 3, 1, 2) if channels_last else drawn


def _draw(items: int, values: int, rate: float, generator: torch.Generator) -> Tensor:
    """Draw [items, values] booleans that are true with probability 1 - rate.

    A rate of n/256 takes one byte of a 64-bit draw for each value; every other rate takes a draw
    of its own.
    """
    threshold = rate * _BYTE
    if threshold != int(threshold):
        return torch.rand(items, values, generator=generator, device="cpu") >= rate
    words = torch.empty(items, -(-values // _WORD_BYTES), dtype=torch.int64, device="cpu")
    words.random_(-(2**63), None, generator=generator)
    return (words.view(torch.uint8)[:, :values] >= int(threshold)).contiguous()
