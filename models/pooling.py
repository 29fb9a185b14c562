"""Pooling that is fast in channels-last format and deterministic on every device.

Shapes: B batch, C channels, F frequency, T time.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable


def image_mean(x_BCFT: Tensor) -> Tensor:
    """Return the mean over frequency and time, [B, C, F, T] -> [B, C].

    Replaces adaptive pooling, whose backward pass on CUDA is not deterministic. In channels-last
    format the axes are permuted first, so that the gradient has the same memory layout as the
    gradients it is added to, which makes the addition fast.
    """
    if x_BCFT.is_contiguous(memory_format=torch.channels_last):
        return x_BCFT.permute(0, 2, 3, 1).mean((1, 2))
    return x_BCFT.mean((2, 3))


def max_pool(x_BCFT: Tensor, kernel: int = 2, stride: int = 2, padding: int = 0) -> Tensor:
    """Return the maximum of each ``kernel`` x ``kernel`` patch, [B, C, F, T] -> [B, C, F', T'].

    Torch's own on a CPU; on CUDA :func:`max_pool_on_cuda`, which has the same bits on a CPU.
    """
    if x_BCFT.is_cuda:
        return max_pool_on_cuda(x_BCFT, kernel, stride, padding)
    return F.max_pool2d(x_BCFT, kernel, stride, padding)


def max_pool_on_cuda(x_BCFT: Tensor, kernel: int = 2, stride: int = 2, padding: int = 0) -> Tensor:
    """Pool as :func:`max_pool` does, by operations whose backward pass is deterministic on CUDA.

    There, torch's own adds the gradients of patches in no fixed order. Where patches do not
    overlap, a value is in one patch at most, so that at most one gradient is added to zero and the
    order cannot matter; elsewhere :func:`max_pool_by_slices` is used. Runs on a CPU, too, and was
    tested only there.
    """
    if kernel <= stride:
        return F.max_pool2d(x_BCFT, kernel, stride, padding)
    return max_pool_by_slices(x_BCFT, kernel, stride, padding)


def max_pool_by_slices(
    x_BCFT: Tensor, kernel: int = 2, stride: int = 2, padding: int = 0
) -> Tensor:
    """Pool as :func:`max_pool` does, with a deterministic backward pass on every device.

    Bit-identical to ``torch.nn.functional.max_pool2d`` on a CPU, but several times as slow there.
    """
    pooled: Tensor = _MaxPool.apply(x_BCFT, kernel, stride, padding)
    return pooled


class _MaxPool(torch.autograd.Function):
    """Max-pooling as the maximum of strided slices, one slice per kernel position.

    Of equal values the first in row-major order is the maximum, as in torch. An input value may be
    the maximum of several overlapping patches. The backward pass visits the kernel positions in
    reverse, so that these gradients are summed in the order of the patches, as on the CPU; another
    order would change the rounding.
    """

    @staticmethod
    def forward(ctx: Any, x_BCFT: Tensor, kernel: int, stride: int, padding: int) -> Tensor:
        padded = F.pad(x_BCFT, [padding] * 4, value=float("-inf")) if padding else x_BCFT
        slices = _slices(padded, kernel, stride)
        largest = slices[0].clone()
        argmax = torch.zeros_like(largest, dtype=torch.uint8)
        for position, values in enumerate(slices[1:], start=1):
            argmax.masked_fill_(values > largest, position)  # strict: the first of equals stays
            torch.maximum(largest, values, out=largest)
        ctx.save_for_backward(argmax)
        ctx.padded_shape, ctx.geometry = padded.shape, (kernel, stride, padding)
        ctx.channels_last = x_BCFT.is_contiguous(memory_format=torch.channels_last)
        return largest

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        (argmax,) = ctx.saved_tensors
        kernel, stride, padding = ctx.geometry
        layout = torch.channels_last if ctx.channels_last else torch.contiguous_format
        out = torch.empty(
            ctx.padded_shape, dtype=grad.dtype, device=grad.device, memory_format=layout
        )
        slices = _slices(out.zero_(), kernel, stride)
        for position in reversed(range(len(slices))):
            slices[position].add_(grad * (argmax == position))
        if padding:
            out = out[:, :, padding:-padding, padding:-padding].contiguous(memory_format=layout)
        return out, None, None, None


def _slices(x_BCFT: Tensor, kernel: int, stride: int) -> list[Tensor]:
    """Return one view of x per kernel position, in row-major order, with one value per patch."""
    rows, columns = ((size - kernel) // stride for size in x_BCFT.shape[2:])
    return [
        x_BCFT[:, :, i : i + rows * stride + 1 : stride, j : j + columns * stride + 1 : stride]
        for i in range(kernel)
        for j in range(kernel)
    ]
