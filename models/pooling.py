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


def max_pool(x_BCFT: Tensor, kernel: int = 2, stride: int = 2, padding: int = 0) -> Tensor:
    """Largest value under each square of ``kernel``: [B, C, F, T] -> [B, C, F', T'].

    On CUDA, torch's own backward pass adds in no fixed order; there, slices give the same bits.
    """
    if x_BCFT.is_cuda:
        return max_pool_by_slices(x_BCFT, kernel, stride, padding)
    return F.max_pool2d(x_BCFT, kernel, stride, padding)


def max_pool_by_slices(
    x_BCFT: Tensor, kernel: int = 2, stride: int = 2, padding: int = 0
) -> Tensor:
    """As :func:`max_pool`, with a deterministic backward pass on every device.

    Gives the bits of ``torch.nn.functional.max_pool2d`` on a CPU, where it takes several times as
    long. So far it was run on CPUs only.
    """
    pooled: Tensor = _MaxPool.apply(x_BCFT, kernel, stride, padding)
    return pooled


class _MaxPool(torch.autograd.Function):
    """Maxima of strided slices, one for each place under the kernel.

    Of equal values the first counts, in the order of rows. The backward pass visits the places in
    reverse, which adds what an input value gets from several squares in the order of the squares.
    """

    @staticmethod
    def forward(ctx: Any, x_BCFT: Tensor, kernel: int, stride: int, padding: int) -> Tensor:
        padded = F.pad(x_BCFT, [padding] * 4, value=float("-inf")) if padding else x_BCFT
        slices = _slices(padded, kernel, stride)
        largest = slices[0].clone()
        place = torch.zeros_like(largest, dtype=torch.uint8)
        for number, values in enumerate(slices[1:], start=1):
            place.masked_fill_(values > largest, number)
            torch.maximum(largest, values, out=largest)
        ctx.save_for_backward(place)
        ctx.padded, ctx.places = padded.shape, (kernel, stride, padding)
        ctx.channels_last = x_BCFT.is_contiguous(memory_format=torch.channels_last)
        return largest

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        (place,) = ctx.saved_tensors
        kernel, stride, padding = ctx.places
        order = torch.channels_last if ctx.channels_last else torch.contiguous_format
        out = torch.empty(ctx.padded, dtype=grad.dtype, device=grad.device, memory_format=order)
        slices = _slices(out.zero_(), kernel, stride)
        for number in reversed(range(len(slices))):
            slices[number].add_(grad * (place == number))
        if padding:
            out = out[:, :, padding:-padding, padding:-padding].contiguous(memory_format=order)
        return out, None, None, None


def _slices(x_BCFT: Tensor, kernel: int, stride: int) -> list[Tensor]:
    """For each place under the kernel, by rows, the values that come to lie there."""
    rows, columns = ((size - kernel) // stride for size in x_BCFT.shape[2:])
    return [
        x_BCFT[:, :, i : i + rows * stride + 1 : stride, j : j + columns * stride + 1 : stride]
        for i in range(kernel)
        for j in range(kernel)
    ]
