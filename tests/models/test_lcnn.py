from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from genretune.models.errors import ModelError
from genretune.models.lcnn import LIGHT_CNNS, Conv, Layout, LightCNN, Norm, Residual
from genretune.models.lcnn import max_feature_map as mfm

TINY = Layout(((Conv(8, 3),), (Norm(), Residual(), Conv(4, 1))), hidden=6, head_norm=True)


def build(shape: tuple[int, int, int] = (1, 9, 8), **arguments: object) -> LightCNN:
    return LightCNN(classes=3, input_shape=shape, layout=TINY, **arguments)  # type: ignore[arg-type]


def test_max_feature_map_takes_the_larger_half() -> None:
    x = torch.tensor([[1.0, 5.0, 2.0, 4.0]])
    assert torch.equal(mfm(x), torch.tensor([[2.0, 5.0]]))


@pytest.mark.parametrize("shape", [(1, 4, 4), (2, 9, 30)])
def test_any_input_size(shape: tuple[int, int, int], noise: Callable[..., Tensor]) -> None:
    model = build(shape, reduction=2, out_bias=True, fc_dropout=0.5).eval()
    assert model(noise(2, *shape)).shape == (2, 3)


def test_too_small_for_the_poolings() -> None:
    with pytest.raises(ModelError, match="at least 4 x 4 bins and frames, got 3 x 8"):
        build((1, 3, 8))


def test_reduction_for_each_stage() -> None:
    model = build(reduction=[None, 2])
    assert [stage.se is not None for stage in model.stages] == [False, True]
    with pytest.raises(ModelError, match=r"stage 2 has 4\), got 8"):
        build(reduction=8)
    with pytest.raises(ModelError, match="2 stages, got 1 values"):
        build(reduction=[2])


def test_residual_layers_of_lcnn29_do_not_share_weights() -> None:
    with torch.device("meta"):
        model = LIGHT_CNNS["lcnn29"](classes=10, input_shape=(1, 64, 64))

    def conv(inputs: int, outputs: int, kernel: int) -> int:
        return inputs * 2 * outputs * kernel**2 + 2 * outputs

    blocks = {48: 1, 96: 2, 192: 3, 128: 4}
    residual = sum(count * 2 * conv(c, c, 3) for c, count in blocks.items())
    groups = [(48, 96), (96, 192), (192, 128), (128, 128)]
    rest = sum(conv(a, a, 1) + conv(a, b, 3) for a, b in groups)
    head = 128 * 512 + 512 + 256 * 10
    count = sum(p.numel() for p in model.parameters())
    assert count == conv(1, 48, 5) + residual + rest + head == 8_447_072
