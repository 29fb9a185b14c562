"""Residual networks: ResNet, ResNeXt, and two-layer blocks with groups; each with SE on request.

He et al.: Deep Residual Learning, https://arxiv.org/abs/1512.03385
Xie et al.: Aggregated Residual Transformations (ResNeXt), https://arxiv.org/abs/1611.05431
Two-layer blocks with groups (resnewt): https://doi.org/10.1109/APSIPAASC47483.2019.9023158
Hu et al.: Squeeze-and-Excitation Networks, https://arxiv.org/abs/1709.01507

Shapes: B batch, C channels, F frequency, T time, N classes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Final

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from genretune.models.dropout import SeededDropout
from genretune.models.layers import Rate, Ratio, Shape, one_each
from genretune.models.pooling import image_mean, max_pool
from genretune.models.se import se_or_none

Dilations = Annotated[list[bool], Field(min_length=3, max_length=3)]

_STEM = 64
_PLANES = (64, 128, 256, 512)


@dataclass(frozen=True)
class Layout:
    """What distinguishes one architecture of the family from another.

    Attributes:
        blocks: number of blocks in each of the four stages.
        bottleneck: blocks of 1x1, 3x3, 1x1 convolutions with four times the stage's planes as
            output; otherwise of two 3x3 convolutions.
        groups: of the last 3x3 convolution of a block.
        group_width: channels a group in the first stage; they double from stage to stage.
    """

    blocks: tuple[int, int, int, int]
    bottleneck: bool = False
    groups: int = 1
    group_width: int = 64

    def width(self, planes: int) -> int:
        """Channels inside the blocks of a stage."""
        return planes * self.group_width // _PLANES[0] * self.groups

    def outputs(self, planes: int) -> int:
        """Channels that leave the blocks of a stage."""
        return 4 * planes if self.bottleneck else self.width(planes)


@dataclass(frozen=True)
class Place:
    """What a block needs to know of its place in the network."""

    stage: int  # from 1
    channels: int  # that come in
    planes: int
    stride: int
    dilation: int
    reduction: int | None


class ResNet(nn.Module):
    """Stem, four stages of residual blocks, mean over the image, one dense layer.

    Args:
        classes: number of classes N.
        input_shape: (channels, frequency bins, time frames) of one item; any size will do.
        layout: the architecture; settled by the table.
        reduction: reduction of the SE blocks, or one for each stage; null for no SE block.
        out_bias: whether the dense layer has a bias.
        fc_dropout: dropout rate before the dense layer.
        zero_init_residual: let every block begin as the identity, by a last scale of zero.
        replace_stride_with_dilation: for each of the last three stages, whether it keeps its
            resolution and dilates its 3x3 convolutions instead; null for none.

    Raises:
        ModelError: for a list of another length than four, or a reduction larger than the
            channels of its stage.
    """

    def __init__(
        self,
        *,
        classes: int,
        input_shape: Shape,
        layout: Layout,
        reduction: Ratio | list[Ratio | None] | None = None,
        out_bias: bool = True,
        fc_dropout: Rate | None = None,
        zero_init_residual: bool = False,
        replace_stride_with_dilation: Dilations | None = None,
    ) -> None:
        super().__init__()
        self.zero_init_residual = zero_init_residual
        self.stem_conv = nn.Conv2d(
            input_shape[0], _STEM, kernel_size=7, stride=2, padding=3, bias=False
        )
        self.stem_norm = nn.BatchNorm2d(_STEM)
        reductions = one_each(reduction, len(_PLANES), argument="model.reduction", what="stages")
        dilated = [False, *(replace_stride_with_dilation or [False] * 3)]
        self.stages = _stages(layout, reductions, dilated)
        self.fc_dropout = SeededDropout(fc_dropout)
        self.fc = nn.Linear(layout.outputs(_PLANES[-1]), classes, bias=out_bias)
        for name, module in self.named_modules():
            if isinstance(module, nn.Conv2d | nn.BatchNorm2d):
                self.init_module(name, module)

    def forward(self, x_BCFT: Tensor) -> Tensor:
        """Map images [B, C, F, T] to logits [B, N]."""
        x_BCFT = F.relu(self.stem_norm(self.stem_conv(x_BCFT)), inplace=True)
        x_BCFT = max_pool(x_BCFT, kernel=3, stride=2, padding=1)
        for stage in self.stages:
            x_BCFT = stage(x_BCFT)
        logits_BN: Tensor = self.fc(self.fc_dropout(image_mean(x_BCFT)))
        return logits_BN

    def init_module(self, name: str, module: nn.Module) -> None:
        """Give the module called ``name`` new initial parameters from torch's random stream."""
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()
            if self.zero_init_residual and name.endswith(".last_norm"):
                nn.init.zeros_(module.weight)
        elif isinstance(module, nn.Linear):
            module.reset_parameters()


class Block(nn.Module):
    """A residual block: convolutions, SE, and the input added: [B, C, F, T] -> [B, C', F', T'].

    The last convolution stands apart from the others, so that its normalisation can start at zero.
    """

    def __init__(self, layout: Layout, place: Place) -> None:
        super().__init__()
        width, outputs = layout.width(place.planes), layout.outputs(place.planes)
        shortcut: nn.Module | None = None
        if place.stride != 1 or place.channels != outputs:
            shortcut = nn.Sequential(
                _convolution(place.channels, outputs, kernel=1, stride=place.stride),
                nn.BatchNorm2d(outputs),
            )
        wide = partial(_convolution, kernel=3, dilation=place.dilation)
        if layout.bottleneck:
            self.conv1 = _convolution(place.channels, width, kernel=1)
            self.norm1 = nn.BatchNorm2d(width)
            self.conv2 = wide(width, width, stride=place.stride, groups=layout.groups)
            self.norm2 = nn.BatchNorm2d(width)
            self.last_conv = _convolution(width, outputs, kernel=1)
        else:
            self.conv1 = wide(place.channels, width, stride=place.stride)
            self.norm1 = nn.BatchNorm2d(width)
            self.last_conv = wide(width, outputs, groups=layout.groups)
        self.bottleneck = layout.bottleneck
        self.last_norm = nn.BatchNorm2d(outputs)
        self.se = se_or_none(outputs, place.reduction, where=f"stage {place.stage}")
        self.shortcut = shortcut

    def forward(self, x_BCFT: Tensor) -> Tensor:
        """Map [B, C, F, T] to [B, C', F', T']."""
        kept = x_BCFT if self.shortcut is None else self.shortcut(x_BCFT)
        x_BCFT = F.relu(self.norm1(self.conv1(x_BCFT)), inplace=True)
        if self.bottleneck:
            x_BCFT = F.relu(self.norm2(self.conv2(x_BCFT)), inplace=True)
        x_BCFT = self.last_norm(self.last_conv(x_BCFT))
        if self.se is not None:
            x_BCFT = self.se(x_BCFT)
        return F.relu(x_BCFT + kept, inplace=True)


def _convolution(
    channels: int,
    outputs: int,
    *,
    kernel: int,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
) -> nn.Conv2d:
    """Build a convolution without bias that keeps the size, but for its stride."""
    return nn.Conv2d(
        channels,
        outputs,
        kernel_size=kernel,
        stride=stride,
        padding=dilation * (kernel // 2),
        dilation=dilation,
        groups=groups,
        bias=False,
    )


def _stages(
    layout: Layout, reductions: tuple[int | None, ...], dilated: list[bool]
) -> nn.ModuleList:
    """Build the four stages; the first block of each changes resolution and channels."""
    stages = nn.ModuleList()
    channels, dilation = _STEM, 1
    for i, planes in enumerate(_PLANES):
        stride, before = (1 if i == 0 else 2), dilation
        if dilated[i]:
            stride, dilation = 1, dilation * 2
        blocks = []
        for number in range(layout.blocks[i]):
            first = number == 0
            place = Place(
                stage=i + 1,
                channels=channels,
                planes=planes,
                stride=stride if first else 1,
                dilation=before if first else dilation,
                reduction=reductions[i],
            )
            blocks.append(Block(layout, place))
            channels = layout.outputs(planes)
        stages.append(nn.Sequential(*blocks))
    return stages


_LAYOUTS = {
    "resnet18": Layout((2, 2, 2, 2)),
    "resnet34": Layout((3, 4, 6, 3)),
    "resnet50": Layout((3, 4, 6, 3), bottleneck=True),
    "resnet101": Layout((3, 4, 23, 3), bottleneck=True),
    "resnet152": Layout((3, 8, 36, 3), bottleneck=True),
    "resnext50_32x4d": Layout((3, 4, 6, 3), bottleneck=True, groups=32, group_width=4),
    "resnext101_32x8d": Layout((3, 4, 23, 3), bottleneck=True, groups=32, group_width=8),
    "resnext101_64x8d": Layout((3, 4, 23, 3), bottleneck=True, groups=64, group_width=8),
    "resnewt18_32x4d": Layout((2, 2, 2, 2), groups=32, group_width=4),
    "resnewt34_32x4d": Layout((3, 4, 6, 3), groups=32, group_width=4),
}
RESNETS: Final[dict[str, Callable[..., nn.Module]]] = {
    name: partial(ResNet, layout=layout) for name, layout in _LAYOUTS.items()
}
