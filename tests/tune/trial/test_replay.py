"""Replay: the first difference, and the verdict."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from genretune.data.store import Store
from genretune.tune.errors import DamagedRecord
from genretune.tune.reproducibility.environment import environment
from genretune.tune.reproducibility.literals import Device, Level
from genretune.tune.training.config import TrialConfig
from genretune.tune.training.resolve_config import trial_config
from genretune.tune.training.train import Outcome, train
from genretune.tune.trial import replay as replay_module
from genretune.tune.trial import run_trial as run_trial_module
from genretune.tune.trial.replay import Difference, first_difference, replay
from genretune.tune.trial.run_trial import run_trial
from genretune.tune.trial.trial_dir import TrialDir

Tiny = Callable[..., dict[str, Any]]


@pytest.fixture
def recorded(store: Store, tiny: Tiny, tmp_path: Path) -> tuple[TrialConfig, dict[str, Any]]:
    config = trial_config(tiny(epochs=2))
    folder = TrialDir(tmp_path / "trial")
    run_trial(config, store, folder, on_report=lambda record: True)
    result = folder.result()
    assert result is not None
    return config, result


def test_the_same_trial_is_exact(store: Store, recorded: tuple[TrialConfig, Any]) -> None:
    verdict = replay(recorded[0], store, recorded[1])
    assert (verdict.verdict, verdict.epochs) == ("exact", 2)
    assert verdict.first_difference is None and verdict.environment_differences == []


def test_one_bit_is_a_divergence(store: Store, recorded: tuple[TrialConfig, Any]) -> None:
    config, result = recorded
    weights = result["history"][1]["weights_sha256"]
    result["history"][1]["weights_sha256"] = "0" * 64
    verdict = replay(config, store, result)
    assert verdict.verdict == "diverged"
    assert verdict.first_difference == Difference(2, "weights_sha256", "0" * 64, weights)
    assert verdict.distance is not None and max(verdict.distance.values()) == 0.0


def test_another_machine_class_is_not_comparable_unless_equal(
    store: Store, recorded: tuple[TrialConfig, Any]
) -> None:
    config, result = recorded
    result["segments"][0]["environment"]["machine_class"] = "another"
    verdict = replay(config, store, result)
    assert verdict.verdict == "exact"  # equal bits decide, on any machine
    assert any(
        line.startswith("machine_class: another ->") for line in verdict.environment_differences
    )
    result["history"][0]["val_loss"] += 1e-9
    verdict = replay(config, store, result)
    assert (verdict.verdict, verdict.why) == (
        "not comparable",
        "it was recorded on another machine class",
    )


def test_a_stopped_trial_is_compared_as_far_as_it_went(
    store: Store, recorded: tuple[TrialConfig, Any]
) -> None:
    config, result = recorded
    result |= {"status": "running", "history": result["history"][:1]}
    verdict = replay(config, store, result)
    assert (verdict.verdict, verdict.epochs) == ("exact", 1)


def test_without_a_record_there_is_nothing_to_compare(store: Store, tiny: Tiny) -> None:
    verdict = replay(trial_config(tiny(epochs=1)), store, None)
    assert (verdict.verdict, verdict.why) == (
        "not comparable",
        "there is no record to compare with",
    )


def test_a_trial_of_a_gpu_is_not_trained_without_one(
    store: Store, recorded: tuple[TrialConfig, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    verdict = replay(recorded[0].model_copy(update={"device": "cuda"}), store, recorded[1])
    assert (verdict.verdict, verdict.epochs) == ("not comparable", 0)
    assert verdict.why == "it was recorded on a GPU, and this machine has none"


def gpu_environment(device: Device, level: Level, gpu_share: float) -> dict[str, Any]:
    machine_class = f"a GPU, {gpu_share:g} of it"
    return environment("cpu", level) | {"machine_class": machine_class, "gpu_share": gpu_share}


@pytest.fixture
def stand_in_gpu(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A GPU on which trials train on the CPU; returns the shares of it that were set."""
    shares: list[float] = []

    def train_on_cpu(config: TrialConfig, *given: Any, **more: Any) -> Outcome:
        return train(config.model_copy(update={"device": "cpu"}), *given, **more)

    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", shares.append)
    monkeypatch.setattr(replay_module, "available_device", lambda: "cuda")
    monkeypatch.setattr(replay_module, "environment", gpu_environment)
    monkeypatch.setattr(replay_module, "train", train_on_cpu)
    return shares


def test_a_trial_of_a_shared_gpu_is_replayed_with_its_share(
    store: Store, recorded: tuple[TrialConfig, Any], stand_in_gpu: list[float]
) -> None:
    config = recorded[0].model_copy(update={"device": "cuda"})
    result = recorded[1]
    result["segments"][0]["environment"] = gpu_environment("cuda", "strict", 0.25)
    verdict = replay(config, store, result)
    assert verdict.verdict == "exact" and stand_in_gpu == [0.25]
    assert verdict.environment_differences == []
    result["history"][0]["val_loss"] += 1e-9
    assert replay(config, store, result).verdict == "diverged"  # not: another machine class

    del result["segments"][0]["environment"]["gpu_share"]  # as of a GPU of its own
    assert replay(config, store, result).why == "it was recorded on another machine class"
    assert stand_in_gpu == [0.25, 0.25, 1.0], "the share of the trial before does not stay"


@pytest.mark.parametrize("share", [0, 1.5, "a quarter", None, float("nan")])
def test_a_share_that_cannot_be_is_a_damaged_record(
    store: Store, recorded: tuple[TrialConfig, Any], share: Any
) -> None:
    recorded[1]["segments"][0]["environment"]["gpu_share"] = share
    with pytest.raises(DamagedRecord, match="gpu_share must be above 0 and at most 1, got"):
        replay(recorded[0], store, recorded[1])


def test_a_segment_records_its_share(
    store: Store, tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shares: list[float] = []

    def recorded_environment(device: Device, level: Level, gpu_share: float) -> dict[str, Any]:
        shares.append(gpu_share)
        return environment(device, level, gpu_share)

    monkeypatch.setattr(run_trial_module, "environment", recorded_environment)
    folder = TrialDir(tmp_path / "shared")
    config = trial_config(tiny(epochs=1))
    run_trial(config, store, folder, on_report=lambda record: True, gpu_share=0.5)
    assert shares == [0.5]


def test_histories_of_different_lengths_differ() -> None:
    record = {name: 0 for name in ("epoch", "weights_sha256")}
    from genretune.tune.training.metrics import COLUMNS

    full = {**dict.fromkeys(COLUMNS, 0), **record}
    assert first_difference([full, full], [full]) == Difference(2, "epochs", 2, 1)
