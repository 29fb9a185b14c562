"""Training as a function of configuration and samples: repeatable and resumable to the bit."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from genretune.data.store import Store
from genretune.models.spectrum import StatisticsNormalize
from genretune.tune.training.components import build_components
from genretune.tune.training.epoch import evaluate, train_epoch
from genretune.tune.training.resolve_config import trial_config
from genretune.tune.training.snapshot import Checkpoint, recorded_digest
from genretune.tune.training.train import Outcome, train
from genretune.tune.trial.run_trial import run_trial
from genretune.tune.trial.trial_dir import TrialDir

Tiny = Callable[..., dict[str, Any]]


def digests(outcome: Outcome) -> list[str]:
    return [record["weights_sha256"] for record in outcome.history]


def values(outcome: Outcome) -> list[dict[str, Any]]:
    return [{k: v for k, v in record.items() if k != "seconds"} for record in outcome.history]


def stopped_after(epochs: int, into: list[Checkpoint]) -> Callable[[Checkpoint], bool]:
    def on_epoch(checkpoint: Checkpoint) -> bool:
        into.append(checkpoint)
        return checkpoint.epoch < epochs

    return on_epoch


def test_equal_configurations_give_equal_bits_whatever_was_drawn_before(
    store: Store, tiny: Tiny
) -> None:
    config = trial_config(tiny(epochs=2))
    one = train(config, store)
    torch.manual_seed(12345)
    torch.rand(100)
    assert values(train(config, store)) == values(one)
    assert one.status == "completed" and one.why == "all 2 epochs"


CASES: dict[str, dict[str, Any]] = {
    "adam": {},
    "micro": {"micro_batch_size": 5},
    "sgd-plateau": {
        "optimizer": {"name": "SGD", "lr": 0.01, "momentum": 0.9},
        "lr_scheduler": {"name": "ReduceLROnPlateau", "patience": 0, "threshold": 0.5},
    },
    "one-cycle": {"lr_scheduler": {"name": "OneCycleLR", "max_lr": 0.01}},
    "warm-cosine": {"lr_scheduler": {"name": "CosineAnnealingLR", "warmup_epochs": 1}},
    "augmented": {
        "augment": {"gain": {}, "noise": {}, "specaugment": {}, "mixup": {}},
        "clip_grad_norm": 1.0,
    },
    "bf16": {"precision": "bf16"},
    "resnet": {"model": {"name": "resnet18", "reduction": 16}, "epochs": 3},
}


@pytest.mark.parametrize("case", CASES)
def test_an_interrupted_trial_equals_an_uninterrupted_one(
    store: Store, tiny: Tiny, case: str
) -> None:
    config = trial_config(tiny(**CASES[case]))
    uninterrupted = train(config, store)
    checkpoints: list[Checkpoint] = []
    first = train(config, store, on_epoch=stopped_after(2, checkpoints))
    assert first.status == "interrupted" and len(checkpoints) == 2
    rest = train(config, store, resume_from=checkpoints[-1])
    assert values(rest) == values(uninterrupted)


def test_evaluation_does_not_affect_training(store: Store, tiny: Tiny) -> None:
    config = trial_config(tiny(model=tiny()["model"] | {"name": "cnn"}, epochs=2))
    with_evaluation = build_components(config, store)
    without = build_components(config, store)
    for epoch in (1, 2):
        train_epoch(with_evaluation, epoch)
        evaluate(with_evaluation, with_evaluation.validation)
        train_epoch(without, epoch)
    for one, other in zip(
        with_evaluation.model.state_dict().values(),
        without.model.state_dict().values(),
        strict=True,
    ):
        assert torch.equal(one, other)


def test_early_stopping_ends_a_trial_also_after_a_restart(store: Store, tiny: Tiny) -> None:
    rule = {"metric": "val_loss", "patience": 2, "min_delta": 100.0}
    config = trial_config(tiny(epochs=9, early_stopping=rule))
    checkpoints: list[Checkpoint] = []
    outcome = train(config, store, on_epoch=stopped_after(99, checkpoints))
    assert (outcome.status, len(outcome.history)) == ("completed", 3)
    assert outcome.why == "out of patience: val_loss did not improve for 2 epochs"
    again = train(config, store, resume_from=checkpoints[-1])
    assert again == outcome


def test_a_loss_that_is_not_finite_is_a_divergence(store: Store, tiny: Tiny) -> None:
    config = trial_config(tiny(optimizer={"name": "SGD", "lr": 1e30}))
    outcome = train(config, store)
    assert outcome.status == "diverged"
    assert "is nan in epoch" in outcome.why or "is inf in epoch" in outcome.why


def test_a_damaged_checkpoint_is_skipped(store: Store, tiny: Tiny, tmp_path: Path) -> None:
    config = trial_config(tiny(epochs=3))
    uninterrupted = train(config, store)
    folder = TrialDir(tmp_path / "trial")
    run_trial(config, store, folder, on_report=lambda record: record["epoch"] < 2)
    newest = max(folder.checkpoints.glob("0*.safetensors"))
    content = bytearray(newest.read_bytes())
    content[-1] ^= 1
    newest.write_bytes(content)
    outcome = run_trial(config, store, folder, on_report=lambda record: True)
    assert digests(outcome) == digests(uninterrupted)
    result = folder.result()
    assert result is not None
    assert [segment["from_epoch"] for segment in result["segments"]] == [0, 1]
    assert result["status"] == "completed"


def test_statistics_of_the_feature_are_computed_once_per_trial(
    store: Store, tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    feature = tiny()["feature"] | {"normalize": "statistics"}
    config = trial_config(tiny(epochs=3, feature=feature))
    fitted: list[int] = []
    fit = StatisticsNormalize.fit

    def count(self: StatisticsNormalize, images: Any) -> None:
        fitted.append(1)
        fit(self, images)

    monkeypatch.setattr(StatisticsNormalize, "fit", count)
    checkpoints: list[Checkpoint] = []
    train(config, store, on_epoch=stopped_after(1, checkpoints))
    rest = train(config, store, resume_from=checkpoints[0])
    assert len(fitted) == 1
    assert values(rest) == values(train(config, store))


def test_the_recorded_digest_covers_the_statistics_of_the_feature(store: Store, tiny: Tiny) -> None:
    feature = tiny()["feature"] | {"normalize": "statistics"}
    config = trial_config(tiny(epochs=1, feature=feature))
    checkpoints: list[Checkpoint] = []
    record = train(config, store, on_epoch=stopped_after(1, checkpoints)).history[0]
    model, statistics = checkpoints[0].model, checkpoints[0].feature
    assert record["weights_sha256"] == recorded_digest(model, statistics, config.rules)
    name = next(name for name, value in statistics.items() if value.numel() > 1)
    other = statistics | {name: statistics[name] + 1.0}
    assert recorded_digest(model, other, config.rules) != record["weights_sha256"]
    assert recorded_digest(model, other, 1) == recorded_digest(model, statistics, 1)
