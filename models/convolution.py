"""Convolution of images with a single channel, which torch does slowly on a CPU.

Shapes: B batch, C channels, F frequency, T time.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_LARGEST = 5
"""Kernels up to this size gain by a second channel in single precision; in half, all do."""


def convolve(conv: nn.Conv2d, x_BCFT: Tensor, *, bias: bool = True) -> Tensor:
    """What ``conv`` maps x to; with its bias left out on request.

    A single channel is given a second one of zeros, and zero weights for it, which is the same in
    exact arithmetic: oneDNN then takes its fast kernels, ten times as fast in bfloat16.
    """
    weight, offset = conv.weight, conv.bias if bias else None
    if _gains(conv, x_BCFT):
        x_BCFT, weight = (F.pad(t, (0, 0, 0, 0, 0, 1)) for t in (x_BCFT, weight))
    stride, padding = _pair(conv.stride), _pair(conv.padding)
    return F.conv2d(x_BCFT, weight, offset, stride=stride, padding=padding)


def _gains(conv: nn.Conv2d, x_BCFT: Tensor) -> bool:
    if conv.in_channels != 1 or x_BCFT.device.type != "cpu":
        return False
    return conv.kernel_size[0] <= _LARGEST or torch.is_autocast_enabled("cpu")


def _pair(value: tuple[int, ...] | str) -> tuple[int, int]:
    if isinstance(value, str):
        raise ValueError(f"padding: must be numbers, got {value}")
    return value[0], value[1]
