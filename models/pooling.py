"""Pooling that is fast with channels last and deterministic on every device.

Shapes: B batch, C channels, F frequency, T time.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable


def image_mean(x_BCFT: Tensor) -> Tensor:
    """Mean over frequency and time, [B, C, F, T] -> [B, C].

    Adaptive pooling has no deterministic backward pass on CUDA. And with channels last, the order
    of axes decides how the gradient lies in memory, and so how fast it is added to others.
    """
    if x_BCFT.is_contiguous(memory_format=torch.channels_last):
        return x_BCFT.permute(0, 2, 3, 1).mean((1, 2))
    return x_BCFT.mean((2, 3))


def max_pool(x_BCFT: Tensor) -> Tensor:
    """Largest of each 2 x 2 values, [B, C, F, T] -> [B, C, F // 2, T // 2].

    On CUDA, torch's own backward pass adds in no fixed order; there, slices give the same bits.
    """
    return max_pool_by_slices(x_BCFT) if x_BCFT.is_cuda else F.max_pool2d(x_BCFT, 2)


def max_pool_by_slices(x_BCFT: Tensor) -> Tensor:
    """As :func:`max_pool`, to the bit, with a deterministic backward pass on every device.

    On a CPU this takes more than twice the time.
    """
    pooled: Tensor = _MaxPool.apply(x_BCFT)
    return pooled


class _MaxPool(torch.autograd.Function):
    """Maxima of strided slices; the backward pass writes each gradient to one place.

    Of equal values the first counts, in the order of rows, as it does in max_pool2d.
    """

    @staticmethod
    def forward(ctx: Any, x_BCFT: Tensor) -> Tensor:
        corner, right, below, across = _quarters(x_BCFT)
        top, bottom = torch.maximum(corner, right), torch.maximum(below, across)
        ctx.save_for_backward(right > corner, across > below, bottom > top)
        ctx.shape = x_BCFT.shape
        ctx.channels_last = x_BCFT.is_contiguous(memory_format=torch.channels_last)
        return torch.maximum(top, bottom)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        in_top, in_bottom, at_bottom = ctx.saved_tensors
        order = torch.channels_last if ctx.channels_last else torch.contiguous_format
        out = torch.empty(ctx.shape, dtype=grad.dtype, device=grad.device, memory_format=order)
        _clear_odd_edges(out)
        corner, right, below, across = _quarters(out)
        bottom = grad * at_bottom
        top = grad * ~at_bottom
        torch.mul(top, ~in_top, out=corner)
        torch.mul(top, in_top, out=right)
        torch.mul(bottom, ~in_bottom, out=below)
        torch.mul(bottom, in_bottom, out=across)
        return out


def _quarters(x_BCFT: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The four places of each 2 x 2 values, [B, C, F // 2, T // 2]; an odd edge is left out."""
    bins, frames = x_BCFT.shape[2] // 2 * 2, x_BCFT.shape[3] // 2 * 2
    return (
        x_BCFT[:, :, 0:bins:2, 0:frames:2],
        x_BCFT[:, :, 0:bins:2, 1:frames:2],
        x_BCFT[:, :, 1:bins:2, 0:frames:2],
        x_BCFT[:, :, 1:bins:2, 1:frames:2],
    )


def _clear_odd_edges(x_BCFT: Tensor) -> None:
    if x_BCFT.shape[2] % 2:
        x_BCFT[:, :, -1].zero_()
    if x_BCFT.shape[3] % 2:
        x_BCFT[:, :, :, -1].zero_()
