"""Argument types and helpers shared by the architectures."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Annotated, TypeVar

import torch
from pydantic import Field
from torch import Tensor

from genretune.models.errors import ModelError

Shape = tuple[int, int, int]
"""(C, F, T) of one item: channels, frequency bins, time frames."""

Rate = Annotated[float, Field(ge=0, lt=1)]
"""Dropout rate."""

Ratio = Annotated[int, Field(ge=1)]
"""Reduction r of an SE block."""

Count = Annotated[int, Field(ge=1)]

V = TypeVar("V", int, float)


def per_layer(
    value: V | Sequence[V | None] | None, layers: int, *, argument: str, what: str
) -> tuple[V | None, ...]:
    """Return one value per layer: a single value repeated, or a list unchanged.

    Args:
        argument: dotted name of the argument, for messages.
        what: plural name of the layers, for messages.

    Raises:
        ModelError: if the length of a list differs from the number of layers.
    """
    if value is None or isinstance(value, int | float):
        return (value,) * layers
    if len(value) != layers:
        raise ModelError(
            f"{argument}: a list must have one value for each of the {layers} {what}, "
            f"got {len(value)} values (give one value, or {layers})"
        )
    return tuple(value)


def check_input_size(poolings: int, input_shape: Shape, *, argument: str, what: str) -> None:
    """Raise ModelError if an image is too small for ``poolings`` 2x2 poolings that round down."""
    _, bins, frames = input_shape
    minimum = 2**poolings
    if min(bins, frames) < minimum:
        raise ModelError(
            f"{argument}: {poolings} {what} halve the image {poolings} times, it must have at "
            f"least {minimum} x {minimum} bins and frames, got {bins} x {frames} "
            f"(use fewer {what}, longer windows, a shorter hop or more bins)"
        )


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Copy a CPU tensor to ``device``, asynchronously on CUDA.

    The CUDA path has not been tested on a GPU yet.
    """
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def sent_ahead(tensors: Iterable[Tensor], device: torch.device, *, depth: int) -> Iterator[Tensor]:
    """Yield CPU tensors on ``device``; on CUDA up to ``depth`` of them are copied in advance.

    They are copied on a stream of their own, so the GPU computes meanwhile. On a CPU each tensor is
    taken when it is asked for. The CUDA path has not been tested on a GPU yet.
    """
    if device.type != "cuda":
        # not a loop, whose variable would keep the last tensor alive while the network computes
        yield from map(partial(to_device, device=device), tensors)
        return
    stream = torch.cuda.Stream(device)
    ahead: deque[tuple[Tensor, torch.cuda.Event]] = deque()
    for tensor in tensors:
        with torch.cuda.stream(stream):
            ahead.append((to_device(tensor, device), stream.record_event()))
        if len(ahead) > depth:
            yield _arrived(*ahead.popleft())
    while ahead:
        yield _arrived(*ahead.popleft())


def _arrived(tensor: Tensor, copied: torch.cuda.Event) -> Tensor:
    """Let the current stream wait for a copy, and keep its memory until that stream has used it."""
    current = torch.cuda.current_stream(tensor.device)
    current.wait_event(copied)
    tensor.record_stream(current)
    return tensor
