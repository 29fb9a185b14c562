from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from genretune.models.build import MODELS
from genretune.models.cost import feature_cost, model_cost


def test_flops_of_a_small_network() -> None:
    config: dict[str, object] = {"name": "cnn", "filters": [4], "reduction": 2}
    cost = model_cost(config, classes=3, input_shape=(2, 8, 10))
    convolution = 2 * (8 * 10) * 4 * (2 * 9)
    excitation = 2 * (4 * 2) * 2
    dense = 2 * (4 * 4 * 5) * 3
    assert cost.flops == convolution + excitation + dense
    assert cost.parameters == 4 * 18 + 4 + 16 + 240
    assert cost.output_shape == (3,)


@pytest.mark.parametrize("name", MODELS)
def test_every_model_has_a_cost(name: str) -> None:
    cost = model_cost({"name": name}, classes=10, input_shape=(1, 64, 64))
    assert cost.parameters > 1e5 and cost.flops > 1e6


def test_feature_flops() -> None:
    plain = feature_cost({"name": "powerspec"}, sample_rate=22050, samples=66150)
    mel = feature_cost({"name": "melspec", "n_mels": 64}, sample_rate=22050, samples=66150)
    assert plain.output_shape == (1, 513, 130)
    assert plain.flops == 130 * int(2.5 * 1024 * 10)
    assert mel.flops - plain.flops == 130 * 2 * 64 * 513
    assert plain.parameters == 0


def test_a_plugin_feature_is_run_to_count_its_flops(noise: Callable[..., Tensor]) -> None:
    class Learnt(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(6, 4))

        def forward(self, x: Tensor) -> Tensor:
            return self.weight @ x.unflatten(-1, (4, -1))

    cost = feature_cost({"name": "own"}, sample_rate=8000, samples=40, extra={"own": Learnt})
    assert (cost.parameters, cost.output_shape) == (24, (1, 6, 10))
    assert cost.flops == 2 * 6 * 4 * 10
