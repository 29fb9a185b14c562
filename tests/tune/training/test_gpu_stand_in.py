"""What a trial on a GPU does otherwise, on a machine without one.

The samples lie on "the device" (CPU tensors), which must give the bits of the memory map. And a
step runs on tensors that claim to be on a GPU and have no values (torch's FakeTensorMode): a tensor
that was left on the CPU raises, and so does reading a value. Only generators are replaced.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from genretune.data.batches import ResidentSamples
from genretune.data.store import Store
from genretune.models import draws
from genretune.models.dropout import SeededDropout, seed_dropout
from genretune.tune.training import components as built
from genretune.tune.training import waveforms
from genretune.tune.training.components import Components, build_components
from genretune.tune.training.epoch import _Outputs, _step, evaluate
from genretune.tune.training.inputs import EpochInputs
from genretune.tune.training.losses import build_loss
from genretune.tune.training.resolve_config import trial_config
from genretune.tune.training.snapshot import Checkpoint
from genretune.tune.training.train import Outcome, train

Tiny = Callable[..., dict[str, Any]]
EVERY = {"mixup": {"alpha": 1.0}, "gain": {}, "noise": {}, "specaugment": {}}
GPU = torch.device("cuda", 0)


def settings(tiny: Tiny, **changes: Any) -> dict[str, Any]:
    given = tiny(augment=EVERY, clip_grad_norm=1.0, **changes)
    window = given["data"]["window"] | {"random_offset": True}
    return given | {"data": given["data"] | {"window": window}}


def values(outcome: Outcome) -> list[dict[str, Any]]:
    return [{k: v for k, v in record.items() if k != "seconds"} for record in outcome.history]


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waveforms, "room_for_samples", lambda device: 2**30)


@pytest.mark.parametrize("micro_batch_size", [None, 5])
def test_samples_on_the_device_give_the_bits_of_the_memory_map(
    store: Store, tiny: Tiny, monkeypatch: pytest.MonkeyPatch, micro_batch_size: int | None
) -> None:
    feature = tiny()["feature"] | {"normalize": "statistics"}
    changes = settings(tiny, epochs=2, micro_batch_size=micro_batch_size, feature=feature)
    config = trial_config(changes)
    expected = train(config, store)
    monkeypatch.setattr(waveforms, "room_for_samples", lambda device: 2**30)
    assert build_components(config, store).resident is not None
    reads: list[int] = []
    monkeypatch.setattr(waveforms, "gather_samples", lambda *_, **__: reads.append(1))
    assert values(train(config, store)) == values(expected)
    assert not reads


@pytest.mark.parametrize("micro_batch_size", [None, 5])
def test_samples_sent_in_advance_are_those_of_the_step(
    store: Store, tiny: Tiny, monkeypatch: pytest.MonkeyPatch, micro_batch_size: int | None
) -> None:
    feature = tiny()["feature"] | {"normalize": "statistics"}
    changes = settings(tiny, epochs=2, micro_batch_size=micro_batch_size, feature=feature)
    config = trial_config(changes)
    expected = train(config, store)
    depths: list[int] = []

    def ahead(tensors: Iterable[Tensor], *, device: torch.device, depth: int) -> Iterator[Tensor]:
        depths.append(depth)
        return iter([*tensors])  # all of them, which is further ahead than ``depth``

    monkeypatch.setattr(built, "sent_ahead", ahead)
    assert values(train(config, store)) == values(expected)
    assert depths == [waveforms.PREFETCH] * (1 + 2 * 2)  # statistics; training and evaluation


def test_rows_that_were_not_announced(store: Store, tiny: Tiny) -> None:
    components = build_components(trial_config(tiny()), store)
    reader = components.waveforms(components.train)
    reader.expect([(np.array([3, 4]), None), (np.array([5]), None)])
    reader.read(components.rows(np.array([3, 4])))
    with pytest.raises(ValueError, match="in the order that was announced"):
        reader.read(components.rows(np.array([6])))


def test_samples_that_do_not_fit_stay_in_the_memory_map(
    store: Store, tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = trial_config(tiny())
    components = build_components(config, store)
    assert components.resident is None  # there is no room on a CPU
    clips = {*components.train.windows.clip, *components.validation.windows.clip}
    size = sum(2 * store.lengths[clip] for clip in clips)
    monkeypatch.setattr(waveforms, "room_for_samples", lambda device: size - 1)
    assert build_components(config, store).resident is None
    monkeypatch.setattr(waveforms, "room_for_samples", lambda device: size)
    assert build_components(config, store).resident is not None


def test_the_room_is_part_of_the_share_of_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = type("Facts", (), {"total_memory": 80_000})
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: facts)
    monkeypatch.setattr(torch.cuda, "get_per_process_memory_fraction", lambda device: 0.25)
    assert waveforms.room_for_samples(GPU) == 6_000
    assert waveforms.room_for_samples(torch.device("cpu")) == 0


@pytest.mark.usefixtures("room")
def test_an_interrupted_trial_equals_an_uninterrupted_one(store: Store, tiny: Tiny) -> None:
    config = trial_config(settings(tiny, epochs=3))
    checkpoints: list[Checkpoint] = []

    def stop(checkpoint: Checkpoint) -> bool:
        checkpoints.append(checkpoint)
        return False

    train(config, store, on_epoch=stop)
    rest = train(config, store, resume_from=checkpoints[0])
    assert values(rest) == values(train(config, store))


class FakeGpu:
    """Moves components to a GPU that computes no values, and counts what is copied to it.

    Attributes:
        sent: the tensors that were copied, in order.
        seeded: the seeds of the generators that were made for the GPU.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self.mode = FakeTensorMode()
        self.sent: list[Tensor] = []
        self.seeded: list[int] = []
        make = draws.generator

        def generator(device: torch.device, seed: int) -> torch.Generator:
            if device.type == "cuda":
                self.seeded.append(seed)
            return make(draws.CPU, seed)

        monkeypatch.setattr(draws, "generator", generator)
        monkeypatch.setattr(built, "to_device", lambda tensor, device: self.copy(tensor))
        monkeypatch.setattr(built, "sent_ahead", lambda tensors, **_: map(self.copy, tensors))
        # fake tensors of a GPU have no backward pass
        monkeypatch.setattr(torch.Tensor, "backward", lambda self: None)

    def copy(self, tensor: Tensor) -> Tensor:
        self.sent.append(tensor)
        return self.move(tensor)

    def move(self, tensor: Tensor) -> Tensor:
        with self.mode:
            return self.mode.from_tensor(tensor).to(GPU)

    def components(self, components: Components, *, resident: bool) -> Components:
        for module in (*components.model.modules(), *components.feature.modules()):
            for name, value in module.named_parameters(recurse=False):
                module.register_parameter(name, nn.Parameter(self.move(value.detach())))
            for name, value in module.named_buffers(recurse=False):
                setattr(module, name, self.move(value))
        clips = [*components.train.windows.clip, *components.validation.windows.clip]
        self._monkeypatch.setattr(components.optimizer, "step", lambda: None)
        return replace(
            components,
            device=GPU,
            loss=build_loss(components.config.loss, class_sizes=torch.ones(10)),
            resident=ResidentSamples(components.store, clips, self.move) if resident else None,
        )


MODELS: list[dict[str, Any]] = [
    {"name": "cnn", "filters": [4, 6], "reduction": 2, "dropout": 0.25, "pool": "gap"},
    {"name": "cnn", "filters": [4, 6], "reduction": None, "dropout": 0.3, "pool": "gap"},
    {"name": "lcnn4"},
    {"name": "resnet18", "reduction": 16},
]


@pytest.mark.parametrize("model", MODELS)
def test_no_step_copies_anything_to_the_gpu_or_reads_from_it(
    store: Store, tiny: Tiny, monkeypatch: pytest.MonkeyPatch, model: dict[str, Any]
) -> None:
    config = trial_config(settings(tiny, model=model))
    on_cpu = build_components(config, store)
    gpu = FakeGpu(monkeypatch)
    components = gpu.components(on_cpu, resident=True)
    inputs = EpochInputs(components, 1)
    batches = inputs.batches()
    first = next(batches)
    # the order, targets, places of windows; offset, partner, share, gain, noise, specaugment
    assert len(gpu.sent) == 9
    assert {len(tensor) for tensor in gpu.sent} == {len(components.train)}
    gpu.sent.clear()
    outputs = _Outputs(components.train)
    components.model.train()
    for batch in (first, *batches):
        seed_dropout(components.model, len)
        gpu.seeded.clear()
        with gpu.mode:
            _step(components, inputs, batch, outputs)
        layers = sum(
            isinstance(m, SeededDropout) and m.rate > 0 for m in components.model.modules()
        )
        assert len(gpu.seeded) == layers + 2 * len(batch.rows)  # noise of windows and of partners
    assert not gpu.sent
    kept = [tensor.device for column in outputs._columns for tensor in column]
    assert set(kept) == {GPU}


def test_no_step_of_an_evaluation_copies_anything_to_the_gpu(
    store: Store, tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_cpu = build_components(trial_config(tiny(eval_batch_size=4)), store)
    gpu = FakeGpu(monkeypatch)
    components = gpu.components(on_cpu, resident=True)
    monkeypatch.setattr(_Outputs, "scores", lambda outputs: outputs)
    with gpu.mode:
        evaluate(components, components.validation)
    # places of the windows, targets, rows: once per pass
    assert [len(tensor) for tensor in gpu.sent] == [len(components.validation)] * 3


def test_without_room_a_step_copies_the_samples_of_its_windows(
    store: Store, tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu = FakeGpu(monkeypatch)
    components = gpu.components(build_components(trial_config(tiny()), store), resident=False)
    inputs = EpochInputs(components, 1)
    batch = next(inputs.batches())
    gpu.sent.clear()
    with gpu.mode:
        inputs.images(batch)
    assert [(one.dtype, one.shape) for one in gpu.sent] == [
        (torch.int16, (len(batch.rows), components.samples))
    ]
