from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from genretune.models.cnn import CNN, Block
from genretune.models.dropout import seed_dropout
from genretune.models.errors import ModelError

SHAPE = (1, 40, 33)


def small(**arguments: object) -> CNN:
    settings: dict[str, object] = {"filters": [4, 8], "reduction": 2, **arguments}
    return CNN(classes=3, input_shape=SHAPE, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("pool", ["flatten", "gap"])
@pytest.mark.parametrize("channels", [1, 2])
def test_any_input_size(pool: str, channels: int, noise: Callable[..., Tensor]) -> None:
    for bins, frames in ((4, 4), (5, 17), (40, 33)):
        model = CNN(
            classes=3,
            input_shape=(channels, bins, frames),
            filters=[4, 8],
            reduction=2,
            pool=pool,  # type: ignore[arg-type]
        )
        assert model.eval()(noise(2, channels, bins, frames)).shape == (2, 3)


def test_bias_after_pooling_equals_bias_before_pooling(noise: Callable[..., Tensor]) -> None:
    block = Block(3, 8, rate=None, reduction=None, number=1).double()
    x = noise(2, 3, 9, 10).double().requires_grad_()
    ours = block(x)
    usual = F.relu(F.max_pool2d(block.conv(x), 2))
    torch.testing.assert_close(ours, usual, rtol=1e-13, atol=1e-15)
    inputs = [x, block.conv.weight, block.conv.bias]
    upstream = noise(*ours.shape, seed=1).double()
    for a, b in zip(
        torch.autograd.grad(ours, inputs, upstream),
        torch.autograd.grad(usual, inputs, upstream),
        strict=True,
    ):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-14)


def test_order_in_a_block(noise: Callable[..., Tensor]) -> None:
    block = Block(2, 4, rate=0.5, reduction=2, number=1)
    block.dropout.seed = 1
    assert block.se is not None
    x = noise(2, 2, 8, 8)
    dropped = F.max_pool2d(block.conv(x), 2)
    actual = block(x)  # draws the mask once
    block.dropout.seed = 1
    expected = F.relu(block.se(block.dropout(dropped)))
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-7)


def test_memory_formats_agree_in_float64(noise: Callable[..., Tensor]) -> None:
    model = small(dropout=0.25, fc_dropout=0.3).double()
    x = noise(4, *SHAPE).double()
    seed_dropout(model, len)
    plain = model(x)
    seed_dropout(model, len)
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    fast = model(x.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(plain, fast, rtol=1e-12, atol=1e-14)


def test_bfloat16_autocast(noise: Callable[..., Tensor]) -> None:
    model = small(dropout=0.25)
    seed_dropout(model, len)
    x = noise(2, *SHAPE).contiguous(memory_format=torch.channels_last)
    exact = model(x)
    seed_dropout(model, len)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = model(x)
    rough.float().sum().backward()
    assert all(p.grad is not None for p in model.parameters())
    torch.testing.assert_close(rough.float(), exact, rtol=0.1, atol=0.02)


def test_dropout_per_block() -> None:
    model = small(dropout=[None, 0.5], fc_dropout=0.0)
    assert [b.dropout.rate for b in model.blocks] == [0.0, 0.5]  # type: ignore[union-attr]


def test_reduction_beyond_the_channels_names_the_block() -> None:
    with pytest.raises(ModelError, match=r"block 2 has 8\), got 9"):
        small(reduction=[None, 9])


@pytest.mark.parametrize("argument", ["reduction", "dropout"])
def test_lists_of_the_wrong_length(argument: str) -> None:
    with pytest.raises(ModelError, match=rf"model\.{argument}: .* 2 blocks, got 3 values"):
        small(**{argument: [None, None, None]})


@pytest.mark.parametrize("shape", [(1, 3, 40), (1, 40, 3)])
def test_too_small_for_the_poolings(shape: tuple[int, int, int]) -> None:
    with pytest.raises(ModelError, match="at least 4 x 4 bins and frames, got"):
        CNN(classes=3, input_shape=shape, filters=[4, 8], reduction=None)
