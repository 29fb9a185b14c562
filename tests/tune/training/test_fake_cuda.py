"""Trials on a GPU made of fake tensors: nothing is left on the CPU, nothing is read back.

What cannot run on fake tensors, and is not covered here:

- the backward pass, which asks for a real CUDA context (its operations:
  ``test_deterministic_operations.py``), and so what the optimizer makes of gradients;
- page-locked copies, which ``tests/fake_cuda.py`` replaces by plain ones;
- autocast on CUDA, which is off where there is no GPU: bf16;
- ``class_weights: balanced``, statistics of a restored feature, ``_Outputs.scores`` and
  ``weights_digest``: they read values, once per trial or epoch and outside a step;
- models in channels-last format: torch cannot convert a fake parameter twice. Images are.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from genretune.data.store import Store
from genretune.models import draws
from genretune.models.build import AUGMENTATIONS, FEATURES, MODELS, build_feature, build_model
from genretune.models.dropout import SeededDropout, seed_dropout
from genretune.models.layers import to_device
from genretune.tune.training import components as built
from genretune.tune.training import epoch as module
from genretune.tune.training import waveforms
from genretune.tune.training.components import Components, build_components
from genretune.tune.training.inputs import EpochInputs
from genretune.tune.training.losses import LOSSES
from genretune.tune.training.resolve_config import trial_config
from tests.fake_cuda import FakeCuda
from tests.nondeterministic_operations import nondeterministic

Tiny = Callable[..., dict[str, Any]]


@pytest.fixture(autouse=True)
def seeded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Replace what fake tensors lack: the generator of a GPU, and the size of its memory.

    Returns the seeds of the generators that were made for a GPU.
    """
    seeds: list[int] = []

    def generator(device: torch.device, seed: int) -> torch.Generator:
        if device.type == "cuda":
            seeds.append(seed)
        return torch.Generator().manual_seed(seed)

    monkeypatch.setattr(draws, "generator", generator)
    monkeypatch.setattr(waveforms, "room_for_samples", lambda device: 2**30)
    return seeds


class _Unregistered(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.ones(3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.scale


@pytest.mark.parametrize("wrong", [_Unregistered(), lambda x: x + torch.ones(3)])
def test_a_tensor_that_was_left_on_the_cpu_raises(
    wrong: Callable[[torch.Tensor], torch.Tensor],
) -> None:
    with FakeCuda():
        right = nn.Linear(3, 3).to("cuda")
        x = right(torch.zeros(2, 3, device="cuda"))
        assert x.is_cuda
        with pytest.raises(Exception, match="convert all Tensors to FakeTensors"):
            (wrong.to("cuda") if isinstance(wrong, nn.Module) else wrong)(x)


def test_reading_a_value_back_raises() -> None:
    with FakeCuda(), pytest.raises(Exception, match=r"_local_scalar_dense|\.item"):
        float(torch.zeros((), device="cuda"))


@pytest.mark.usefixtures("no_initial_weights")
@pytest.mark.parametrize("name", MODELS)
def test_models(name: str) -> None:
    config = {"name": name, "reduction": 4, "fc_dropout": 0.3}
    with FakeCuda() as gpu:
        model = build_model(config, classes=3, input_shape=(1, 32, 32)).to("cuda")
        seed_dropout(model, lambda layer: 1)
        images = torch.zeros(2, 1, 32, 32, device="cuda")
        logits = model(images)
    assert logits.is_cuda and logits.shape == (2, 3) and logits.requires_grad
    assert "convolution" in gpu.operations
    assert nondeterministic(gpu.operations) == set()


@pytest.mark.parametrize("normalize", [None, "window", "statistics"])
@pytest.mark.parametrize("name", FEATURES)
def test_features(name: str, normalize: str | None) -> None:
    with FakeCuda():
        feature = build_feature({"name": name, "normalize": normalize}, sample_rate=22050)
        waveforms = torch.zeros(2, 1, 4000, device="cuda")
        feature = feature.to("cuda")
        feature.fit([waveforms, waveforms])  # type: ignore[operator]
        images = feature(waveforms)
        assert images.is_cuda and images.shape[0] == 2


STEPS: dict[str, dict[str, Any]] = {
    **{name: {"augment": {name: {}}} for name in AUGMENTATIONS},
    "specaugment-zero": {"augment": {"specaugment": {"fill": "zero"}}},
    "all": {"augment": {name: {} for name in AUGMENTATIONS}, "micro_batch_size": 5},
    "offset": {"data": {"window": {"seconds": 0.5, "random_offset": True}}},
    "statistics": {"feature": {"name": "melspec", "n_mels": 16, "normalize": "statistics"}},
    **{name: {"loss": {"name": name}} for name in LOSSES},
    **{
        f"{name}-weights": {"loss": {"name": name, "class_weights": [1.0, 2.0] * 5}}
        for name in LOSSES
    },
    "smoothing": {"loss": {"name": "CrossEntropyLoss", "label_smoothing": 0.1}},
    "resnet": {"model": {"name": "resnet18", "reduction": 16, "fc_dropout": 0.3}},
}


@pytest.mark.usefixtures("no_initial_weights")
@pytest.mark.parametrize("case", STEPS)
def test_an_epoch_leaves_nothing_on_the_cpu(
    store: Store, tiny: Tiny, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    outputs: list[Any] = []
    monkeypatch.setattr(module._Outputs, "scores", lambda self: outputs.append(self))
    settings = _settings(tiny, STEPS[case])
    with FakeCuda() as gpu:
        components = _channels_last(build_components(trial_config(settings), store))
        assert all(tensor.is_cuda for tensor in components.model.state_dict().values())
        module.train_epoch(components, 1)
        module.evaluate(components, components.validation)
    assert len(gpu.losses) >= 2
    for one in outputs:  # what the metrics of an epoch are computed from
        logits, values, weights, *_ = one._columns
        assert logits and all(tensor.is_cuda for column in one._columns for tensor in column)
        assert {tensor.dtype for tensor in (*logits, *values, *weights)} == {torch.float32}
        assert not any(tensor.requires_grad for tensor in (*logits, *values, *weights))
    assert len(outputs) == 2
    assert nondeterministic(gpu.operations) == set()


RANDOM: dict[str, Any] = {
    "augment": {name: {} for name in AUGMENTATIONS},
    "data": {"window": {"seconds": 0.5, "random_offset": True}},
    "clip_grad_norm": 1.0,
}


@pytest.mark.usefixtures("no_initial_weights")
@pytest.mark.parametrize("dropout", [0.25, 0.3])  # drawn as bytes, and as words
def test_no_step_copies_anything_to_the_gpu(
    store: Store, tiny: Tiny, seeded: list[int], dropout: float
) -> None:
    model = {"name": "cnn", "filters": [4, 6], "reduction": 2, "dropout": dropout, "pool": "gap"}
    settings = _settings(tiny, RANDOM | {"model": model})
    with FakeCuda() as gpu:
        components = _channels_last(build_components(trial_config(settings), store))
        gpu.copied.clear()
        inputs = EpochInputs(components, 1)
        batches = inputs.batches()
        first = next(batches)
        # order, classes and places of windows; offset, partner, share, gain, noise, specaugment
        assert [len(one) for one in gpu.copied] == [len(components.train)] * 9
        gpu.copied.clear()
        outputs = module._Outputs(components.train, components.config.rules)
        modules = components.model.modules()
        layers = [one for one in modules if isinstance(one, SeededDropout) and one.rate]
        for batch in (first, *batches):
            seed_dropout(components.model, len)
            seeded.clear()
            module._step(components, inputs, batch, outputs)
            # masks; noise of the windows and of their partners
            assert len(seeded) == len(layers) + 2 * len(batch.rows)
    assert layers and not gpu.copied


@pytest.mark.usefixtures("no_initial_weights")
def test_no_step_of_an_evaluation_copies_anything_to_the_gpu(
    store: Store, tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module._Outputs, "scores", lambda outputs: outputs)
    with FakeCuda() as gpu:
        settings = _settings(tiny, {"eval_batch_size": 4})
        components = _channels_last(build_components(trial_config(settings), store))
        gpu.copied.clear()
        module.evaluate(components, components.validation)
    # places of the windows, classes, rows (the last batch is filled up): once per pass
    windows, full = len(components.validation), -(-len(components.validation) // 4) * 4
    assert sorted(len(one) for one in gpu.copied) == [windows, windows, full]


@pytest.mark.usefixtures("no_initial_weights")
def test_without_room_a_step_copies_the_samples_of_its_windows(
    store: Store, tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waveforms, "room_for_samples", lambda device: 0)
    ahead = lambda tensors, *, device, depth: (to_device(one, device) for one in tensors)  # noqa: E731
    monkeypatch.setattr(built, "sent_ahead", ahead)  # fake tensors have no streams
    with FakeCuda() as gpu:
        components = _channels_last(build_components(trial_config(_settings(tiny, {})), store))
        inputs = EpochInputs(components, 1)
        batch = next(inputs.batches())
        gpu.copied.clear()
        inputs.images(batch)
    assert [(one.dtype, one.shape) for one in gpu.copied] == [
        (torch.int16, (len(batch.rows), components.samples))
    ]


def _settings(tiny: Tiny, changes: dict[str, Any]) -> dict[str, Any]:
    data = tiny()["data"] | changes.get("data", {})
    return tiny(
        **{"device": "cuda", "memory_format": "contiguous", "batch_size": 40}
        | changes
        | {"data": data}
    )


def _channels_last(components: Components) -> Components:
    config = components.config.model_copy(update={"memory_format": "channels_last"})
    return replace(components, config=config)
