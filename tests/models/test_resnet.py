from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from genretune.models.errors import ModelError
from genretune.models.resnet import Block, Layout, ResNet

TINY = Layout((1, 1, 1, 1), groups=4, group_width=4)
BOTTLENECK = Layout((2, 1, 1, 2), bottleneck=True, group_width=4)


def build(layout: Layout = TINY, channels: int = 1, **arguments: object) -> ResNet:
    return ResNet(classes=3, input_shape=(channels, 40, 33), layout=layout, **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("layout", [TINY, BOTTLENECK])
@pytest.mark.parametrize("size", [(1, 1), (20, 33), (64, 40)])
def test_any_input_size(
    layout: Layout, size: tuple[int, int], noise: Callable[..., Tensor]
) -> None:
    model = build(layout, channels=2, reduction=4, fc_dropout=0.5).eval()
    assert model(noise(2, 2, *size)).shape == (2, 3)


def test_zero_init_residual_begins_as_the_identity(noise: Callable[..., Tensor]) -> None:
    model = build(BOTTLENECK, zero_init_residual=True, reduction=4).eval()
    second = model.stages[0][1]  # type: ignore[index]
    assert isinstance(second, Block)
    x = noise(2, 256, 5, 5).relu()
    assert torch.equal(second(x), x)


def test_dilation_keeps_the_resolution(noise: Callable[..., Tensor]) -> None:
    x = noise(1, 1, 64, 64)
    plain, dilated = (
        build(BOTTLENECK, replace_stride_with_dilation=[False, late, late]).eval()
        for late in (False, True)
    )

    def last_image(model: ResNet) -> tuple[int, ...]:
        seen: list[tuple[int, ...]] = []
        model.stages[-1].register_forward_hook(lambda m, i, out: seen.append(tuple(out.shape)))
        model(x)
        return seen[0]

    assert last_image(plain)[2:] == (2, 2)
    assert last_image(dilated)[2:] == (8, 8)
    shapes = [[p.shape for p in model.parameters()] for model in (plain, dilated)]
    assert shapes[0] == shapes[1]


def test_reduction_beyond_the_channels_names_the_stage() -> None:
    with pytest.raises(ModelError, match=r"stage 1 has 16\), got 32"):
        build(reduction=32)


def test_one_reduction_for_each_stage() -> None:
    model = build(reduction=[None, 8, None, 2])
    named = {name for name, _ in model.named_parameters() if ".se." in name}
    assert {name.split(".")[1] for name in named} == {"1", "3"}
    with pytest.raises(ModelError, match="4 stages, got 3 values"):
        build(reduction=[1, 2, 3])


def test_only_the_last_3x3_convolution_is_grouped() -> None:
    block = build().stages[3][0]  # type: ignore[index]
    assert isinstance(block, Block)
    assert (block.conv1.groups, block.last_conv.groups) == (1, 4)  # type: ignore[union-attr]
