"""Residual networks: ResNet, ResNeXt and ResNeWt, each with optional SE blocks.

He et al.: Deep Residual Learning, https://arxiv.org/abs/1512.03385
Xie et al.: Aggregated Residual Transformations (ResNeXt), https://arxiv.org/abs/1611.05431
ResNeWt (two-layer blocks with groups): https://doi.org/10.1109/APSIPAASC47483.2019.9023158
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
from genretune.models.layers import Rate, Ratio, Shape, per_layer
from genretune.models.pooling import image_mean, max_pool
from genretune.models.se import se_or_none

Dilations = Annotated[list[bool], Field(min_length=3, max_length=3)]

_STEM_CHANNELS = 64
_PLANES = (64, 128, 256, 512)


@dataclass(frozen=True)
class Layout:
    """One architecture of the family.

    Attributes:
        blocks: number of blocks in each of the four stages.
        bottleneck: True for blocks of 1x1, 3x3, 1x1 convolutions with four times the stage's
            planes as output channels, False for blocks of two 3x3 convolutions.
        groups: groups of the last 3x3 convolution of a block.
        group_width: channels per group in the first stage; doubles from stage to stage.
    """

    blocks: tuple[int, int, int, int]
    bottleneck: bool = False
    groups: int = 1
    group_width: int = 64

    def width(self, planes: int) -> int:
        """Return the number of channels inside the blocks of a stage."""
        return planes * self.group_width // _PLANES[0] * self.groups

    def outputs(self, planes: int) -> int:
        """Return the number of output channels of the blocks of a stage."""
        return 4 * planes if self.bottleneck else self.width(planes)


@dataclass(frozen=True)
class BlockSpec:
    """Parameters of a block that depend on its position in the network."""

    stage: int  # from 1, for messages
    channels: int  # input channels
    planes: int
    stride: int
    dilation: int
    reduction: int | None


class ResNet(nn.Module):
    """Stem, four stages of residual blocks, mean over the image, one dense layer.

    Args:
        classes: number of classes N.
        input_shape: (channels, frequency bins, time frames) of one item; any size.
        layout: the architecture; fixed by the table ``RESNETS``.
        reduction: reduction of all SE blocks, or a list with one per stage; null for no SE block.
        out_bias: whether the dense layer has a bias.
        fc_dropout: dropout rate before the dense layer.
        zero_init_residual: initialise the scale of the last normalisation of every block to zero,
            so that blocks start as the identity.
        replace_stride_with_dilation: for each of the last three stages, whether to keep the
            resolution and dilate the 3x3 convolutions instead; null for none.

    Raises:
        ModelError: for a list without exactly four values, or a reduction larger than the channels
            of its stage.
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
            input_shape[0], _STEM_CHANNELS, kernel_size=7, stride=2, padding=3, bias=False
        )
        self.stem_norm = nn.BatchNorm2d(_STEM_CHANNELS)
        reductions = per_layer(reduction, len(_PLANES), argument="model.reduction", what="stages")
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
        """Initialise the parameters of the module ``name`` from torch's global generator."""
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()
            if self.zero_init_residual and name.endswith(".last_norm"):
                nn.init.zeros_(module.weight)
        elif isinstance(module, nn.Linear):
            module.reset_parameters()


class Block(nn.Module):
    """Residual block of convolutions, optional SE and a shortcut: [B, C, F, T] -> [B, C', F', T'].

    The last normalisation has the name ``last_norm`` in blocks of either kind, by which
    ``zero_init_residual`` finds it.
    """

    def __init__(self, layout: Layout, spec: BlockSpec) -> None:
        super().__init__()
        width, outputs = layout.width(spec.planes), layout.outputs(spec.planes)
        shortcut: nn.Module | None = None
        if spec.stride != 1 or spec.channels != outputs:
            shortcut = nn.Sequential(
                _convolution(spec.channels, outputs, kernel=1, stride=spec.stride),
                nn.BatchNorm2d(outputs),
            )
        conv3x3 = partial(_convolution, kernel=3, dilation=spec.dilation)
        if layout.bottleneck:
            self.conv1 = _convolution(spec.channels, width, kernel=1)
            self.norm1 = nn.BatchNorm2d(width)
            self.conv2 = conv3x3(width, width, stride=spec.stride, groups=layout.groups)
            self.norm2 = nn.BatchNorm2d(width)
            self.last_conv = _convolution(width, outputs, kernel=1)
        else:
            self.conv1 = conv3x3(spec.channels, width, stride=spec.stride)
            self.norm1 = nn.BatchNorm2d(width)
            self.last_conv = conv3x3(width, outputs, groups=layout.groups)
        self.bottleneck = layout.bottleneck
        self.last_norm = nn.BatchNorm2d(outputs)
        self.se = se_or_none(outputs, spec.reduction, where=f"stage {spec.stage}")
        self.shortcut = shortcut

    def forward(self, x_BCFT: Tensor) -> Tensor:
        """Map [B, C, F, T] to [B, C', F', T']."""
        shortcut_BCFT = x_BCFT if self.shortcut is None else self.shortcut(x_BCFT)
        x_BCFT = F.relu(self.norm1(self.conv1(x_BCFT)), inplace=True)
        if self.bottleneck:
            x_BCFT = F.relu(self.norm2(self.conv2(x_BCFT)), inplace=True)
        x_BCFT = self.last_norm(self.last_conv(x_BCFT))
        if self.se is not None:
            x_BCFT = self.se(x_BCFT)
        return F.relu(x_BCFT + shortcut_BCFT, inplace=True)


def _convolution(
    channels: int,
    outputs: int,
    *,
    kernel: int,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
) -> nn.Conv2d:
    """Build a convolution without bias, padded so that only the stride changes the size."""
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
    """Build the four stages; the first block of a stage changes resolution and channels.

    In a dilated stage, the first block still uses the dilation of the previous stage, as in
    torchvision.
    """
    stages = nn.ModuleList()
    channels, dilation = _STEM_CHANNELS, 1
    for i, planes in enumerate(_PLANES):
        stride, previous_dilation = (1 if i == 0 else 2), dilation
        if dilated[i]:
            stride, dilation = 1, dilation * 2
        blocks = []
        for number in range(layout.blocks[i]):
            first = number == 0
            spec = BlockSpec(
                stage=i + 1,
                channels=channels,
                planes=planes,
                stride=stride if first else 1,
                dilation=previous_dilation if first else dilation,
                reduction=reductions[i],
            )
            blocks.append(Block(layout, spec))
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
