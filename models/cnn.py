"""A plain convolutional network with squeeze-and-excitation blocks.

Based on Xu and Zhou: A Deep Music Genres Classification Model Based on CNN with
Squeeze & Excitation Block, APSIPA ASC 2020.

Shapes: B batch, C channels, F frequency, T time, N classes.
"""

from typing import Annotated, Literal

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from genretune.models.dropout import SeededDropout
from genretune.models.layers import Count, Rate, Ratio, Shape, check_input_size, per_layer
from genretune.models.pooling import image_mean, max_pool
from genretune.models.se import se_or_none

Filters = Annotated[list[Count], Field(min_length=1)]


class CNN(nn.Module):
    """Blocks of [3x3 convolution, 2x2 max-pooling, dropout, SE, ReLU], then one dense layer.

    Args:
        classes: number of classes N.
        input_shape: (channels, frequency bins, time frames) of one item.
        filters: output channels, one value per block.
        reduction: reduction of all SE blocks, or a list with one per block; null for no SE block.
        dropout: dropout rate of all blocks, or a list with one per block.
        pool: input of the dense layer: flatten for all values, gap for global average pooling.
        fc_dropout: dropout rate before the dense layer.
        fc_bias: whether the dense layer has a bias.

    Raises:
        ModelError: for an input too small for the number of poolings, a list whose length differs
            from ``filters``, or a reduction larger than the channels of its block.
    """

    def __init__(
        self,
        *,
        classes: int,
        input_shape: Shape,
        filters: Filters = [32, 64, 128, 256, 128],  # noqa: B006 (never mutated)
        reduction: Ratio | list[Ratio | None] | None = 32,
        dropout: Rate | list[Rate | None] | None = 0.25,
        pool: Literal["flatten", "gap"] = "flatten",
        fc_dropout: Rate | None = None,
        fc_bias: bool = False,
    ) -> None:
        super().__init__()
        channels, bins, frames = input_shape
        check_input_size(len(filters), input_shape, argument="model.filters", what="blocks")
        reductions = per_layer(reduction, len(filters), argument="model.reduction", what="blocks")
        rates = per_layer(dropout, len(filters), argument="model.dropout", what="blocks")
        inputs = [channels, *filters[:-1]]
        self.blocks = nn.ModuleList(
            Block(inputs[i], filters[i], rate=rates[i], reduction=reductions[i], number=i + 1)
            for i in range(len(filters))
        )
        self.pool = pool
        pooled = (bins >> len(filters)) * (frames >> len(filters)) if pool == "flatten" else 1
        self.fc_dropout = SeededDropout(fc_dropout)
        self.fc = nn.Linear(filters[-1] * pooled, classes, bias=fc_bias)

    def forward(self, x_BCFT: Tensor) -> Tensor:
        """Map images [B, C, F, T] to logits [B, N]."""
        for block in self.blocks:
            x_BCFT = block(x_BCFT)
        x_BC = x_BCFT.flatten(1) if self.pool == "flatten" else image_mean(x_BCFT)
        logits_BN: Tensor = self.fc(self.fc_dropout(x_BC))
        return logits_BN


class Block(nn.Module):
    """3x3 convolution, 2x2 max-pooling, dropout, SE, ReLU: [B, C, F, T] -> [B, C', F/2, T/2]."""

    def __init__(
        self,
        channels: int,
        filters: int,
        *,
        rate: float | None,
        reduction: int | None,
        number: int,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, filters, kernel_size=3, padding=1)
        self.dropout = SeededDropout(rate)
        self.se = se_or_none(filters, reduction, where=f"block {number}")

    def forward(self, x_BCFT: Tensor) -> Tensor:
        """Map [B, C, F, T] to [B, C', F // 2, T // 2]."""
        # Adding the bias after pooling gives the same result, max(x + b) = max(x) + b, for a
        # quarter of the values.
        conv = self.conv
        x_BCFT = max_pool(F.conv2d(x_BCFT, conv.weight, padding=1))
        if conv.bias is not None:
            x_BCFT.add_(conv.bias.to(x_BCFT.dtype)[:, None, None])
        x_BCFT = self.dropout(x_BCFT)
        return F.relu(x_BCFT if self.se is None else self.se(x_BCFT), inplace=True)
