from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from genretune.models.errors import ModelError
from genretune.models.se import SqueezeExcite, se_or_none


def test_hand_computed_case() -> None:
    block = SqueezeExcite(2, 2, where="block 1")
    with torch.no_grad():
        block.squeeze.weight.copy_(torch.tensor([[1.0, -0.5]]))
        block.excite.weight.copy_(torch.tensor([[2.0], [-1.0]]))
    # Means 3 and 2: hidden relu(3 - 1) = 2; scales sigmoid(4) and sigmoid(-2).
    x = torch.tensor([[[[2.0, 4.0]], [[1.0, 3.0]]]])
    high, low = 0.9820137900379085, 0.11920292202211755
    expected = torch.tensor([[[[2 * high, 4 * high]], [[low, 3 * low]]]])
    torch.testing.assert_close(block(x), expected, rtol=1e-6, atol=0)


def test_a_closed_hidden_unit_halves_every_channel() -> None:
    block = SqueezeExcite(2, 2, where="block 1")
    with torch.no_grad():
        block.squeeze.weight.fill_(-1.0)
    x = torch.ones(1, 2, 3, 3)
    assert torch.equal(block(x), x / 2)


def test_items_are_independent(noise: Callable[..., Tensor]) -> None:
    block = SqueezeExcite(8, 2, where="block 1").double()
    x = noise(3, 8, 4, 4).double()
    together = block(x)
    alone = torch.cat([block(item) for item in x.split(1)])
    torch.testing.assert_close(together, alone, rtol=1e-14, atol=0)


@pytest.mark.parametrize("reduction", [0, 9])
def test_reduction_beyond_the_channels_names_the_layer(reduction: int) -> None:
    with pytest.raises(ModelError, match=rf"block 3 has 8\), got {reduction}"):
        SqueezeExcite(8, reduction, where="block 3")


def test_se_or_none() -> None:
    assert se_or_none(8, None, where="block 1") is None
    block = se_or_none(8, 8, where="block 1")
    assert block is not None
    assert [tuple(p.shape) for p in block.parameters()] == [(1, 8), (8, 1)]
