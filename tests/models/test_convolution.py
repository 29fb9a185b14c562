"""Convolution of a single channel: the module's own result, by another way."""

import pytest
import torch
from torch import nn

from genretune.models.convolution import convolve


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (5, 1), (7, 2)])
def test_one_channel_gives_what_the_module_gives(kernel: int, stride: int, bias: bool) -> None:
    conv = nn.Conv2d(1, 4, kernel, stride=stride, padding=kernel // 2, dtype=torch.float64)
    image = torch.randn(2, 1, 17, 19, dtype=torch.float64)
    expected = conv(image)
    if not bias:
        assert conv.bias is not None
        expected = expected - conv.bias[:, None, None]
    found = convolve(conv, image, bias=bias)
    assert torch.allclose(found, expected, rtol=0.0, atol=1e-13)


def test_gradients_reach_the_weights_alone() -> None:
    conv = nn.Conv2d(1, 4, 3, padding=1, dtype=torch.float64)
    image = torch.randn(2, 1, 9, 8, dtype=torch.float64)
    (expected,) = torch.autograd.grad(conv(image).square().sum(), [conv.weight])
    (found,) = torch.autograd.grad(convolve(conv, image).square().sum(), [conv.weight])
    assert found.shape == conv.weight.shape
    assert torch.allclose(found, expected, rtol=1e-12, atol=1e-12)


def test_more_channels_are_the_modules_own_bits() -> None:
    conv = nn.Conv2d(3, 4, 3, padding=1)
    image = torch.randn(2, 3, 9, 8)
    assert torch.equal(convolve(conv, image), conv(image))
