"""Defined outcomes of problems with the data, the memory and the numbers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from genretune.data.errors import DataError
from genretune.data.store import Store
from genretune.models.cnn import CNN
from genretune.tune.training.resolve_config import trial_config
from genretune.tune.training.train import train
from genretune.tune.trial.run_trial import run_trial, summarize_error
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
def test_out_of_memory_fails_the_trial_with_a_short_reason(
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


def test_other_exceptions_are_summarised_in_one_line() -> None:
    assert summarize_error(KeyError("x\ny")) == "KeyError: 'x\\ny'"
    assert summarize_error(RuntimeError("first\nsecond")) == "RuntimeError: first"
    assert summarize_error(AssertionError()) == "AssertionError"


def test_a_loss_that_is_not_finite_is_recorded_as_divergence(
    store: Store, tiny: Tiny, tmp_path: Path
) -> None:
    folder = TrialDir(tmp_path / "trial")
    config = trial_config(tiny(optimizer={"name": "SGD", "lr": 1e30}))
    outcome = run_trial(config, store, folder, on_report=always)
    result = folder.result()
    assert result is not None and outcome.status == "diverged"
    assert result["status"] == "diverged" and result["why"] == outcome.why
    assert len(result["history"]) == len(outcome.history)  # the broken epoch is no record


def test_an_empty_validation_subset_is_refused(store: Store, tiny: Tiny) -> None:
    _, validation = train_and_validation(store)
    given = with_data(tiny(), exclude=validation)
    with pytest.raises(DataError, match="data.split: .* clips in validation"):
        train(trial_config(given), store)


def test_a_class_without_a_training_clip_is_refused(store: Store, tiny: Tiny) -> None:
    excluded = [name for name in train_and_validation(store)[0] if name.startswith("blues")]
    with pytest.raises(DataError, match="data.split: .*train.*"):
        train(trial_config(with_data(tiny(), exclude=excluded)), store)


def train_and_validation(store: Store) -> tuple[list[str], list[str]]:
    from genretune.data.specs import SplitSpec
    from genretune.data.splits.fold_windows import split_clips

    subsets = split_clips(store, SplitSpec(folds=3), ())[1]
    return subsets["train"], subsets["validation"]


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


def test_early_stopping_and_the_best_epoch_have_separate_metrics(
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


def test_clipping_changes_only_gradients_with_a_larger_norm(store: Store, tiny: Tiny) -> None:
    def digest(norm: float | None) -> str:
        outcome = train(trial_config(tiny(epochs=1, clip_grad_norm=norm)), store)
        return str(outcome.history[0]["weights_sha256"])

    assert digest(1e9) == digest(None)
    assert digest(1e-3) != digest(None)
