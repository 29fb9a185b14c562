"""Light CNNs: convolutions with max-feature-map activation.

Max-feature-map (MFM) returns the element-wise maximum of the two halves of the channels.

Wu, He, Sun, Tan: A Light CNN for Deep Face Representation, https://arxiv.org/abs/1511.02683
Lavrentyeva et al.: STC Antispoofing Systems (lcnn_stc), https://arxiv.org/abs/1904.05576
Where the papers flatten the image, these networks average over it, so they accept any input size.

Shapes: B batch, C channels, F frequency, T time, N classes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import torch
from torch import Tensor, nn

from genretune.models.dropout import SeededDropout
from genretune.models.layers import Rate, Ratio, Shape, check_input_size, per_layer
from genretune.models.pooling import image_mean, max_pool
from genretune.models.se import se_or_none


@dataclass(frozen=True)
class Conv:
    """A convolution with MFM: ``channels`` output channels, ``kernel`` x ``kernel``."""

    channels: int
    kernel: int


@dataclass(frozen=True)
class Norm:
    """Batch normalisation."""


@dataclass(frozen=True)
class Residual:
    """Two 3x3 convolutions with MFM and an identity shortcut."""


Layer = Conv | Norm | Residual


@dataclass(frozen=True)
class Layout:
    """One architecture of the family.

    Attributes:
        stages: layers of each stage; every stage ends with 2x2 max-pooling.
        hidden: output size of the first dense layer, after MFM.
        head_norm: whether batch normalisation follows the first dense layer.
    """

    stages: tuple[tuple[Layer, ...], ...]
    hidden: int = 256
    head_norm: bool = False


class LightCNN(nn.Module):
    """Stages of MFM convolutions, mean over the image, two dense layers.

    Args:
        classes: number of classes N.
        input_shape: (channels, frequency bins, time frames) of one item.
        layout: the architecture; fixed by the table ``LIGHT_CNNS``.
        reduction: reduction of the SE block before the pooling of each stage, or a list with one
            per stage; null for no SE block.
        out_bias: whether the last dense layer has a bias.
        fc_dropout: dropout rate before the last dense layer.

    Raises:
        ModelError: for an input too small for the number of poolings, a list whose length differs
            from the number of stages, or a reduction larger than the channels of its stage.
    """

    def __init__(
        self,
        *,
        classes: int,
        input_shape: Shape,
        layout: Layout,
        reduction: Ratio | list[Ratio | None] | None = None,
        out_bias: bool = False,
        fc_dropout: Rate | None = None,
    ) -> None:
        super().__init__()
        channels, count = input_shape[0], len(layout.stages)
        check_input_size(count, input_shape, argument="model.name", what="stages")
        reductions = per_layer(reduction, count, argument="model.reduction", what="stages")
        self.stages = nn.ModuleList()
        for i, layers in enumerate(layout.stages):
            stage = Stage(channels, layers, reduction=reductions[i], number=i + 1)
            self.stages.append(stage)
            channels = stage.channels
        self.hidden = nn.Linear(channels, 2 * layout.hidden)
        self.head_norm = nn.BatchNorm1d(layout.hidden) if layout.head_norm else None
        self.fc_dropout = SeededDropout(fc_dropout)
        self.fc = nn.Linear(layout.hidden, classes, bias=out_bias)

    def forward(self, x_BCFT: Tensor) -> Tensor:
        """Map images [B, C, F, T] to logits [B, N]."""
        for stage in self.stages:
            x_BCFT = stage(x_BCFT)
        x_BH = max_feature_map(self.hidden(image_mean(x_BCFT)))
        if self.head_norm is not None:
            x_BH = self.head_norm(x_BH)
        logits_BN: Tensor = self.fc(self.fc_dropout(x_BH))
        return logits_BN


class Stage(nn.Module):
    """Layers, optional SE, 2x2 max-pooling: [B, C, F, T] -> [B, C', F / 2, T / 2]."""

    def __init__(
        self, channels: int, layers: tuple[Layer, ...], *, reduction: int | None, number: int
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        for layer in layers:
            match layer:
                case Conv(outputs, kernel):
                    self.layers.append(FeatureMapConv(channels, outputs, kernel))
                    channels = outputs
                case Norm():
                    self.layers.append(nn.BatchNorm2d(channels))
                case Residual():
                    self.layers.append(ResidualBlock(channels))
        self.channels = channels
        self.se = se_or_none(channels, reduction, where=f"stage {number}")

    def forward(self, x_BCFT: Tensor) -> Tensor:
        """Map [B, C, F, T] to [B, C', F / 2, T / 2]."""
        for layer in self.layers:
            x_BCFT = layer(x_BCFT)
        return max_pool(x_BCFT if self.se is None else self.se(x_BCFT))


class FeatureMapConv(nn.Module):
    """A size-preserving convolution with MFM: [B, C, F, T] -> [B, C', F, T]."""

    def __init__(self, channels: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 2 * outputs, kernel_size=kernel, padding=kernel // 2)

    def forward(self, x_BCFT: Tensor) -> Tensor:
        """Map [B, C, F, T] to [B, C', F, T]."""
        return max_feature_map(self.conv(x_BCFT))


class ResidualBlock(nn.Module):
    """Two 3x3 MFM convolutions with an identity shortcut; keeps the shape."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = FeatureMapConv(channels, channels, 3)
        self.second = FeatureMapConv(channels, channels, 3)

    def forward(self, x_BCFT: Tensor) -> Tensor:
        """Map [B, C, F, T] to the same shape."""
        out: Tensor = self.second(self.first(x_BCFT)) + x_BCFT
        return out


def max_feature_map(x: Tensor) -> Tensor:
    """Map [B, 2C, ...] to [B, C, ...]: the maximum of channels c and C + c."""
    first, second = x.chunk(2, dim=1)
    return torch.maximum(first, second)


_LAYOUTS = {
    "lcnn4": Layout(((Conv(48, 9),), (Conv(96, 5),), (Conv(128, 5),), (Conv(192, 3),))),
    "lcnn9": Layout(
        (
            (Conv(48, 5),),
            (Conv(48, 1), Conv(96, 3)),
            (Conv(96, 1), Conv(192, 3)),
            (Conv(192, 1), Conv(128, 3), Conv(128, 1), Conv(128, 3)),
        )
    ),
    "lcnn29": Layout(
        (
            (Conv(48, 5),),
            (Residual(), Conv(48, 1), Conv(96, 3)),
            (*[Residual()] * 2, Conv(96, 1), Conv(192, 3)),
            (
                *[Residual()] * 3,
                Conv(192, 1),
                Conv(128, 3),
                *[Residual()] * 4,
                Conv(128, 1),
                Conv(128, 3),
            ),
        )
    ),
    "lcnn_stc": Layout(
        (
            (Conv(32, 5),),
            (Conv(32, 1), Norm(), Conv(48, 3)),
            (Norm(), Conv(48, 1), Norm(), Conv(64, 3)),
            (Conv(64, 1), Norm(), Conv(32, 3), Norm(), Conv(32, 1), Norm(), Conv(32, 3)),
        ),
        hidden=80,
        head_norm=True,
    ),
}
LIGHT_CNNS: Final[dict[str, Callable[..., nn.Module]]] = {
    name: partial(LightCNN, layout=layout) for name, layout in _LAYOUTS.items()
}
