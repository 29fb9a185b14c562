"""Small things that several architectures share: argument types, one value or one a layer."""

from collections.abc import Sequence
from typing import Annotated, TypeVar

import torch
from pydantic import Field
from torch import Tensor

from genretune.models.errors import ModelError

Shape = tuple[int, int, int]
"""Channels, frequency bins, time frames of one item."""

Rate = Annotated[float, Field(ge=0, lt=1)]
"""A dropout rate."""

Ratio = Annotated[int, Field(ge=1)]
"""A reduction ratio of an SE block."""

Count = Annotated[int, Field(ge=1)]

V = TypeVar("V", int, float)


def one_each(
    value: V | Sequence[V | None] | None, layers: int, *, argument: str, what: str
) -> tuple[V | None, ...]:
    """Spread one value over all layers, or take a list as it is.

    Raises:
        ModelError: if a list has another length than there are layers.
    """
    if value is None or isinstance(value, int | float):
        return (value,) * layers
    if len(value) != layers:
        raise ModelError(
            f"{argument}: a list must have one value for each of the {layers} {what}, "
            f"got {len(value)} values (give one value, or {layers})"
        )
    return tuple(value)


def refuse_small(poolings: int, input_shape: Shape, *, argument: str, what: str) -> None:
    """Raise ModelError if an image cannot be halved ``poolings`` times, rounding down."""
    _, bins, frames = input_shape
    least = 2**poolings
    if min(bins, frames) < least:
        raise ModelError(
            f"{argument}: {poolings} {what} halve the image {poolings} times, it must have at "
            f"least {least} x {least} bins and frames, got {bins} x {frames} "
            f"(fewer {what}, longer windows, a shorter hop or more bins)"
        )


def send(tensor: Tensor, device: torch.device) -> Tensor:
    """Return ``tensor``, drawn on the CPU, on ``device``; the host goes on while it is copied.

    Never run on a GPU.
    """
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)
