"""Plug-ins that would break a replay silently are refused, with the layer's name."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from genretune.data.store import Store
from genretune.models.errors import ModelError
from genretune.models.plugins import load_plugin
from genretune.tune.training.resolve_config import trial_config
from genretune.tune.training.train import train

Tiny = Callable[..., dict[str, Any]]

PLUGIN = """
import torch
from torch import nn


class Noisy(nn.Module):
    def __init__(self, *, classes, input_shape, kind: str = "quiet"):
        super().__init__()
        self.kind = kind
        self.head = nn.Sequential(nn.Flatten(), nn.LazyLinear(classes), nn.Dropout(0.5))
        shape = (2, *input_shape)
        self.head.eval()(torch.zeros(shape))
        if kind != "layer":
            self.head[2].p = 0.0
            self.head[2] = nn.Identity()

    def forward(self, x):
        if self.kind == "forward" and self.training:
            x = x + torch.rand(1)
        if self.kind == "evaluation" and not self.training:
            x = x + torch.rand(1)
        return self.head(x)


class Trained(nn.Module):
    def __init__(self, *, sample_rate, trained: bool = True, random: bool = False):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(1), requires_grad=trained)
        self.random = random

    def forward(self, x):
        x = x * self.gain
        if self.random and self.training:
            x = x * torch.rand(1)
        return x[..., :1024].reshape(*x.shape[:2], 32, 32)


MODELS = {"noisy": Noisy}
FEATURES = {"trained": Trained}
"""


@pytest.fixture(scope="module")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = tmp_path_factory.mktemp("plugin") / "noisy.py"
    path.write_text(PLUGIN)
    return {"noisy.py": load_plugin(path)}


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"model": {"name": "noisy", "kind": "layer"}}, r"model\.head\.2"),
        ({"model": {"name": "noisy", "kind": "forward"}}, "model"),
        ({"model": {"name": "noisy", "kind": "evaluation"}}, "model"),
        ({"feature": {"name": "trained", "trained": False, "random": True}}, "feature"),
    ],
)
def test_a_layer_that_draws_from_the_global_generator_is_named(
    store: Store, tiny: Tiny, plugins: dict[str, Any], changes: dict[str, Any], where: str
) -> None:
    config = trial_config(tiny(epochs=1, **changes), plugins=plugins)
    with pytest.raises(ModelError, match=rf"^{where}: must not draw from torch's global generator"):
        train(config, store, plugins=plugins)


def test_a_quiet_plugin_trains_whatever_the_global_generator_holds(
    store: Store, tiny: Tiny, plugins: dict[str, Any]
) -> None:
    feature = {"name": "trained", "trained": False}
    config = trial_config(tiny(epochs=1, model={"name": "noisy"}, feature=feature), plugins=plugins)

    def digest(seed: int) -> str:
        torch.manual_seed(seed)
        return str(train(config, store, plugins=plugins).history[0]["weights_sha256"])

    with torch.random.fork_rng():
        assert digest(1) == digest(2)


def test_a_feature_with_trainable_parameters_is_refused(
    store: Store, tiny: Tiny, plugins: dict[str, Any]
) -> None:
    config = trial_config(tiny(epochs=1, feature={"name": "trained"}), plugins=plugins)
    with pytest.raises(ModelError, match=r"^feature\.gain: must not be trained, since features"):
        train(config, store, plugins=plugins)
