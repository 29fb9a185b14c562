"""Samples on "the device" (CPU tensors), or sent ahead, give the bits of the memory map."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from genretune.data.store import Store
from genretune.tune.training import components as built
from genretune.tune.training import waveforms
from genretune.tune.training.components import build_components
from genretune.tune.training.config import TrialConfig
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


def varied(tiny: Tiny, micro_batch_size: int | None) -> TrialConfig:
    """A trial of two epochs that reads its windows in every way."""
    feature = tiny()["feature"] | {"normalize": "statistics"}
    changes = {"epochs": 2, "micro_batch_size": micro_batch_size, "feature": feature}
    return trial_config(settings(tiny, **changes))


def values(outcome: Outcome) -> list[dict[str, Any]]:
    return [{k: v for k, v in record.items() if k != "seconds"} for record in outcome.history]


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waveforms, "room_for_samples", lambda device: 2**30)


@pytest.mark.parametrize("micro_batch_size", [None, 5])
def test_samples_on_the_device_give_the_bits_of_the_memory_map(
    store: Store, tiny: Tiny, monkeypatch: pytest.MonkeyPatch, micro_batch_size: int | None
) -> None:
    config = varied(tiny, micro_batch_size)
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
    config = varied(tiny, micro_batch_size)
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
