from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genretune.models.build import (
    AUGMENTATIONS,
    FEATURES,
    MODELS,
    build_augment,
    build_feature,
    build_model,
    feature_shape,
    resolve_augment,
    resolve_feature,
    resolve_model,
)
from genretune.models.dropout import seed_dropout
from genretune.models.errors import ModelError
from genretune.tune.reproducibility.seeds import initialise
from genretune.tune.space.load import space_from_text

SHAPE = (1, 64, 64)
# One model per family, with two reduction lists that differ in two places.
FAMILIES = {
    "cnn": ([32] * 5, [32, 8, 32, None, 32]),
    "resnet18": ([16] * 4, [16, 4, None, 16]),
    "resnet50": ([16] * 4, [16, 4, None, 16]),
    "resnext50_32x4d": ([16] * 4, [16, 4, None, 16]),
    "resnewt18_32x4d": ([16] * 4, [16, 4, None, 16]),
    "lcnn4": ([16] * 4, [16, 4, None, 16]),
    "lcnn9": ([16] * 4, [16, 4, None, 16]),
    "lcnn29": ([16] * 4, [16, 4, None, 16]),
    "lcnn_stc": ([16] * 4, [16, 4, None, 16]),
}


def on_meta(config: dict[str, object], shape: tuple[int, int, int]) -> nn.Module:
    with torch.device("meta"):
        return build_model(config, classes=10, input_shape=shape)


def test_parameter_counts_match_the_reference(reference: Any) -> None:
    for case in reference["models"]:
        model = on_meta(case["config"], (case["channels"], 513, 130))
        count = sum(p.numel() for p in model.parameters())
        assert count == case["parameters"], case["config"]


def test_outputs_match_the_reference(reference: Any) -> None:
    cases = [case for case in reference["models"] if "output" in case]
    assert len(cases) == 11
    for case in cases:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            model = build_model(case["config"], classes=10, input_shape=(1, 513, 130)).eval()
            x = torch.randn(2, 1, 513, 130)
        with torch.no_grad():
            for block in case.get("halved", []):
                # SE without hidden units: sigmoid(0), half of what comes in.
                model.blocks[block].conv.weight.mul_(0.5)  # type: ignore[union-attr,index,operator]
                model.blocks[block].conv.bias.mul_(0.5)  # type: ignore[union-attr,index,operator]
            out = model(x)
        expected = torch.tensor(case["output"])
        torch.testing.assert_close(out, expected, rtol=1e-4, atol=0, msg=str(case["config"]))


@pytest.mark.parametrize("name", FAMILIES)
def test_changing_one_reduction_leaves_all_other_initial_weights(name: str) -> None:
    plain, changed = FAMILIES[name]
    states = []
    for reduction in (plain, changed, None):
        config = {"name": name, "reduction": reduction}
        model = build_model(config, classes=10, input_shape=SHAPE)
        initialise(model, seed=7)
        states.append(model.state_dict())
    base, other, without = states
    equal = {key for key in base.keys() & other.keys() if torch.equal(base[key], other[key])}
    differing = (base.keys() | other.keys()) - equal
    assert differing and all(".se." in key for key in differing)
    places = {key.partition(".se.")[0] for key in differing}
    stages = {place.split(".")[1] for place in places}
    assert stages == {"1", "2" if name != "cnn" else "3"}
    assert base.keys() - without.keys() == {key for key in base if ".se." in key}
    assert all(torch.equal(base[key], without[key]) for key in without)


@pytest.mark.parametrize("name", FAMILIES)
def test_gradients_reach_every_parameter(name: str, noise: Callable[..., Tensor]) -> None:
    model = build_model(
        {"name": name, "reduction": 4, "fc_dropout": 0.5}, classes=3, input_shape=SHAPE
    )
    initialise(model, seed=1)
    seed_dropout(model.train(), len)
    F.cross_entropy(model(noise(4, *SHAPE)), torch.tensor([0, 1, 2, 0])).backward()
    unreached = [k for k, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert unreached == []


def test_every_model_accepts_a_reduction_from_a_space_file() -> None:
    names = ", ".join(MODELS)
    space = space_from_text(
        f"""
        version: 1
        name: all
        seed: 1
        trials: 4
        metric: {{name: val_acc, mode: max}}
        sampler: {{type: random}}
        trial: {{epochs: 1}}
        parameters:
          model.name: {{values: [{names}]}}
          model.reduction: {{values: [null, 8]}}
        """,
        "space.yaml",
    )
    for name in MODELS:
        counts = []
        for reduction in (None, 8):
            parameters: dict[str, Any] = {"model.name": name, "model.reduction": reduction}
            config: Any = space.configure(parameters)["model"]
            model = on_meta(resolve_model(config), SHAPE)
            counts.append(sum(p.numel() for p in model.parameters()))
        assert counts[1] > counts[0]


@pytest.mark.parametrize("name", MODELS)
def test_stereo_and_class_count(name: str) -> None:
    model = on_meta({"name": name}, (2, 64, 64)).eval()
    assert model(torch.empty(3, 2, 64, 64, device="meta")).shape == (3, 10)


@pytest.mark.parametrize("name", [*MODELS])
def test_configurations_resolve_to_themselves(name: str) -> None:
    config = resolve_model({"name": name})
    assert resolve_model(config) == config
    assert "reduction" in config


def test_features_resolve_to_themselves() -> None:
    for name in FEATURES:
        config = resolve_feature({"name": name})
        assert resolve_feature(config) == config
        assert {"n_fft", "hop", "window", "normalize"} <= config.keys()


def test_augmentations_are_sorted_in_order_of_application() -> None:
    config = resolve_augment({"specaugment": {}, "gain": {"min_db": -1}, "noise": None})
    assert list(config) == ["gain", "specaugment"]
    assert config["gain"] == {"min_db": -1.0, "max_db": 6.0}
    assert resolve_augment(config) == config
    assert list(build_augment({name: {} for name in AUGMENTATIONS})) == list(AUGMENTATIONS)


def test_all_problems_with_augmentations_are_reported_at_once() -> None:
    with pytest.raises(ModelError) as caught:
        resolve_augment({"gian": {}, "gain": {"mindb": 1}, "noise": 3, "mixup": {"alpha": 0}})
    assert caught.value.problems == (
        'augment.name: must be the name of a known augment, got "gian" '
        "(did you mean 'gain'? choose from gain, noise, mixup, specaugment)",
        "augment.gain.mindb: must be an argument of gain, got mindb=1 "
        "(did you mean 'min_db'? arguments: min_db, max_db)",
        "augment.noise: must be a mapping of arguments, or null, got 3 (use {} for the defaults)",
        "augment.mixup.alpha: must be a number > 0, got 0 (the default is 0.2)",
    )


def test_plugins_extend_the_built_in_tables(noise: Callable[..., Tensor]) -> None:
    class Mean(nn.Module):
        def __init__(self, *, sample_rate: int, width: int = 10) -> None:
            super().__init__()
            self.width = width

        def forward(self, x: Tensor) -> Tensor:
            frames = x.shape[-1] // self.width
            return x[..., : frames * self.width].unflatten(-1, (frames, self.width)).mT

    feature = build_feature({"name": "mean"}, sample_rate=8000, extra={"mean": Mean})
    assert feature_shape(feature, channels=2, samples=95) == (2, 10, 9)

    def linear(*, classes: int, input_shape: tuple[int, int, int]) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.LazyLinear(classes))

    shape = (2, 10, 9)
    model = build_model({"name": "lin"}, classes=3, input_shape=shape, extra={"lin": linear})
    assert model(noise(4, *shape)).shape == (4, 3)


def test_a_feature_output_without_four_axes_is_rejected() -> None:
    with pytest.raises(ModelError, match=r"must return images .* got the shape \[1, 1, 50\]"):
        feature_shape(nn.Identity(), channels=1, samples=50)


def test_a_component_must_build_a_module(tmp_path: Path) -> None:
    def text() -> str:
        return "no module"

    with pytest.raises(ModelError, match=r"must build a torch\.nn\.Module, got str"):
        build_model({"name": "t"}, classes=2, input_shape=SHAPE, extra={"t": text})  # type: ignore[dict-item]
