"""What happens when something is wrong with the data, the memory or the numbers: each defined."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from genretune.data.errors import DataError
from genretune.data.store import Store
from genretune.models.cnn import CNN
from genretune.models.errors import ModelError
from genretune.tune.errors import TuneError
from genretune.tune.training.resolve_config import trial_config
from genretune.tune.training.train import train
from genretune.tune.trial.run_trial import in_one_line, run_trial
from genretune.tune.trial.trial_dir import TrialDir

Tiny = Callable[..., dict[str, Any]]


def always(record: Any) -> bool:
    return True


def with_data(given: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return given | {"data": given["data"] | changes}


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
        MemoryError(),
    ],
)
def test_out_of_memory_fails_the_trial_in_three_words(
    store: Store, tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def forward(self: CNN, x: torch.Tensor) -> torch.Tensor:
        raise error

    monkeypatch.setattr(CNN, "forward", forward)
    folder = TrialDir(tmp_path / "trial")
    with pytest.raises(type(error)):
        run_trial(trial_config(tiny()), store, folder, on_report=always)
    result = folder.result()
    assert result is not None
    assert (result["status"], result["why"]) == ("failed", "out of memory")
    assert "Traceback" in (folder.path / "error.txt").read_text()


def test_another_bug_is_told_in_one_line() -> None:
    assert in_one_line(KeyError("x\ny")) == "KeyError: 'x\\ny'"
    assert in_one_line(RuntimeError("first\nsecond")) == "RuntimeError: first"
    assert in_one_line(AssertionError()) == "AssertionError"


def test_a_loss_that_is_not_finite_is_a_result(store: Store, tiny: Tiny, tmp_path: Path) -> None:
    folder = TrialDir(tmp_path / "trial")
    config = trial_config(tiny(optimizer={"name": "SGD", "lr": 1e30}))
    outcome = run_trial(config, store, folder, on_report=always)
    result = folder.result()
    assert result is not None and outcome.status == "diverged"
    assert result["status"] == "diverged" and result["why"] == outcome.why
    assert len(result["history"]) == len(outcome.history)  # the broken epoch is no record


def test_an_empty_validation_side_is_refused(store: Store, tiny: Tiny) -> None:
    parts = train_and_validation(store)
    given = with_data(tiny(), exclude=parts[1])
    with pytest.raises(DataError, match="data.split: .* clips in validation"):
        train(trial_config(given), store)


def test_a_class_without_a_training_clip_is_refused(store: Store, tiny: Tiny) -> None:
    gone = [name for name in train_and_validation(store)[0] if name.startswith("blues")]
    with pytest.raises(DataError, match="data.split: .*train.*"):
        train(trial_config(with_data(tiny(), exclude=gone)), store)


def train_and_validation(store: Store) -> tuple[list[str], list[str]]:
    from genretune.data.specs import SplitSpec
    from genretune.data.splits import split_clips

    parts = split_clips(store, SplitSpec(folds=3), ())[1]
    return parts["train"], parts["validation"]


def test_a_batch_larger_than_the_data_is_one_step(store: Store, tiny: Tiny) -> None:
    one = train(trial_config(tiny(epochs=1, batch_size=10_000)), store)
    assert one.status == "completed"
    exact = train(trial_config(tiny(epochs=1, batch_size=100)), store)  # all of its windows
    assert one.history[0]["weights_sha256"] == exact.history[0]["weights_sha256"]


def test_a_window_longer_than_all_clips_is_padded(store: Store, tiny: Tiny) -> None:
    given = with_data(tiny(epochs=1), window={"seconds": 4.0})
    outcome = train(trial_config(given), store)
    assert outcome.status == "completed"
    assert outcome.history[0]["val_acc"] == outcome.history[0]["val_clip_accuracy"]


def test_micro_batches_need_a_network_that_sees_windows_alone(store: Store, tiny: Tiny) -> None:
    given = tiny(micro_batch_size=4, model={"name": "resnet18"})
    with pytest.raises(ModelError, match="micro_batch_size: must be null for a network with batch"):
        train(trial_config(given), store)


def test_micro_batches_are_found_for_networks_that_allow_them(tiny: Tiny) -> None:
    auto = {"micro_batch_size": "auto", "batch_size": 64, "device": "cpu"}
    assert trial_config(tiny(**auto)).micro_batch_size == 8
    assert trial_config(tiny(**auto, model={"name": "resnet18"})).micro_batch_size is None
    assert trial_config(tiny(**auto | {"batch_size": 8})).micro_batch_size is None


def test_early_stopping_and_the_best_epoch_follow_metrics_of_their_own(
    store: Store, tiny: Tiny, tmp_path: Path
) -> None:
    folder = TrialDir(tmp_path / "trial")
    stopping = {"metric": "val_loss", "patience": 1, "min_delta": 10.0}
    config = trial_config(tiny(early_stopping=stopping, best={"metric": "trn_loss"}))
    outcome = run_trial(config, store, folder, on_report=always)
    result = folder.result()
    assert result is not None and len(outcome.history) == 2
    losses = [record["trn_loss"] for record in outcome.history]
    assert result["best_epoch"] == losses.index(min(losses)) + 1


def test_clipping_changes_steps_only_where_gradients_are_longer(store: Store, tiny: Tiny) -> None:
    def digest(norm: float | None) -> str:
        outcome = train(trial_config(tiny(epochs=1, clip_grad_norm=norm)), store)
        return str(outcome.history[0]["weights_sha256"])

    assert digest(1e9) == digest(None)
    assert digest(1e-3) != digest(None)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"optimizer": {"name": "SGD", "nesterov": True}}, "optimizer: SGD: Nesterov"),
        (
            {
                "optimizer": {"name": "Adagrad"},
                "lr_scheduler": {"name": "OneCycleLR", "max_lr": 0.1},
            },
            "lr_scheduler: OneCycleLR on Adagrad",
        ),
        ({"best": {"metric": "val_accuracy"}}, "best.metric: .*did you mean 'val_clip_accuracy'"),
        ({"epoch": 3}, r"epoch: unknown key \(did you mean 'epochs'\?\)"),
        ({"precision": "tf32", "device": "cpu"}, "precision: tf32 needs device cuda, got cpu"),
        ({"model": "cnn"}, "model: must be a mapping with a name, got 'cnn'"),
    ],
)
def test_settings_that_cannot_be_are_refused_before_anything_runs(
    tiny: Tiny, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(TuneError, match=said):
        trial_config(tiny(**changes))
