"""Which epochs get a checkpoint, and that none is reported before it is safe."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from genretune.data.store import Store
from genretune.models.cnn import CNN
from genretune.tune.storage.atomic_io import StorageFailure
from genretune.tune.training.config import TrialConfig
from genretune.tune.training.resolve_config import trial_config
from genretune.tune.training.train import train
from genretune.tune.trial.checkpoint_file import CheckpointRetention
from genretune.tune.trial.epoch_saver import CheckpointSchedule
from genretune.tune.trial.run_trial import run_trial
from genretune.tune.trial.trial_dir import TrialDir

Tiny = Callable[..., dict[str, Any]]
RARELY = CheckpointSchedule(every=math.inf)


class Log:
    """What one segment told its caller, in order: ("trained" | "saved" | "reported", epoch).

    Args:
        last: the segment is ended at the report of this epoch.
    """

    def __init__(self, path: Path, last: float = math.inf, **options: Any) -> None:
        self.calls: list[tuple[str, int]] = []
        self.folder = TrialDir(path, on_saved=self.saved, **options)
        self._last = last

    def saved(self, epoch: int) -> None:
        self.calls.append(("saved", epoch))

    def trained(self, record: Any) -> None:
        self.calls.append(("trained", record["epoch"]))

    def reported(self, record: Any) -> bool:
        newest = self.folder.newest_checkpoint()
        assert newest is not None and newest.epoch >= record["epoch"], "reported once it is safe"
        self.calls.append(("reported", record["epoch"]))
        return bool(record["epoch"] < self._last)

    def of(self, kind: str) -> list[int]:
        return [epoch for name, epoch in self.calls if name == kind]


def run(log: Log, config: TrialConfig, store: Store, schedule: CheckpointSchedule) -> str:
    outcome = run_trial(
        config,
        store,
        log.folder,
        on_report=log.reported,
        on_trained=log.trained,
        schedule=schedule,
    )
    return outcome.status


@pytest.fixture
def falling(tiny: Tiny) -> TrialConfig:
    """A trial of 6 epochs whose last is the best: the training loss falls."""
    return trial_config(tiny(epochs=6, best={"metric": "trn_loss"}))


@pytest.fixture
def constant(tiny: Tiny) -> TrialConfig:
    """A trial of 6 epochs whose first is the best: nothing changes."""
    still = {"optimizer": {"name": "SGD", "lr": 0.0}, "best": {"metric": "val_loss"}}
    return trial_config(tiny(epochs=6, **still))


def equal_history(folder: TrialDir, config: TrialConfig, store: Store) -> bool:
    result = folder.result()
    assert result is not None
    straight = train(config, store).history
    return [r | {"seconds": 0} for r in result["history"]] == [r | {"seconds": 0} for r in straight]


def test_a_checkpoint_is_due_before_more_than_that_is_lost() -> None:
    schedule = CheckpointSchedule(every=60.0, rungs=(2,))
    assert not schedule.is_due(1, unsaved=1.0, seconds=1.0)
    assert schedule.is_due(2, unsaved=2.0, seconds=1.0), "a rung"
    assert not schedule.is_due(3, unsaved=58.5, seconds=1.0)
    assert schedule.is_due(3, unsaved=59.0, seconds=1.0), "a kill in the next epoch costs 60 s"
    assert schedule.is_due(3, unsaved=45.0, seconds=45.0), "the next epoch would be too long"
    assert CheckpointSchedule().is_due(1, unsaved=0.0, seconds=0.0)


def test_epochs_between_checkpoints_are_reported_together_and_in_order(
    store: Store, falling: TrialConfig, tmp_path: Path
) -> None:
    log = Log(tmp_path / "trial")
    schedule = CheckpointSchedule(every=math.inf, rungs=(1, 3))
    assert run(log, falling, store, schedule) == "completed"
    assert log.calls == [
        ("trained", 1), ("saved", 1), ("reported", 1),
        ("trained", 2), ("trained", 3), ("saved", 3), ("reported", 2), ("reported", 3),
        ("trained", 4), ("trained", 5), ("trained", 6), ("saved", 6),
        ("reported", 4), ("reported", 5), ("reported", 6),
    ]  # fmt: skip
    assert equal_history(log.folder, falling, store)


def test_the_time_since_the_last_checkpoint_decides(
    store: Store, falling: TrialConfig, tmp_path: Path
) -> None:
    log = Log(tmp_path / "trial")
    run(log, falling, store, CheckpointSchedule(every=0.0))
    assert log.of("saved") == [1, 2, 3, 4, 5, 6]


def test_every_nth_checkpoint_that_is_kept_is_written(
    store: Store, falling: TrialConfig, tmp_path: Path
) -> None:
    log = Log(tmp_path / "trial", retention=CheckpointRetention(last=1, every=2))
    run(log, falling, store, RARELY)
    assert log.of("saved") == [2, 4, 6]


def test_the_last_epoch_is_saved_also_if_patience_ends_the_trial(
    store: Store, tiny: Tiny, tmp_path: Path
) -> None:
    rule = {"metric": "val_loss", "patience": 2, "min_delta": 10.0}
    log = Log(tmp_path / "trial")
    config = trial_config(tiny(epochs=9, early_stopping=rule, best={"metric": "trn_loss"}))
    assert run(log, config, store, RARELY) == "completed"
    assert log.of("saved") == log.of("reported")[-1:] == [3]


def test_the_best_epoch_is_saved_before_the_checkpoint_that_follows(
    store: Store, constant: TrialConfig, tmp_path: Path
) -> None:
    log = Log(tmp_path / "trial")
    run(log, constant, store, RARELY)
    assert log.of("saved") == [1, 6]
    best = log.folder.best_checkpoint()
    assert best is not None and best.epoch == 1


@pytest.mark.parametrize("killed_at", [1, 4])
def test_a_kill_between_two_writes_leaves_the_best_epoch(
    store: Store, constant: TrialConfig, tmp_path: Path, killed_at: int
) -> None:
    class Killed(StorageFailure):
        """Ends the segment without a further write, as a kill does."""

    log = Log(tmp_path / "trial")
    save = log.saved

    def kill(epoch: int) -> None:
        save(epoch)
        if epoch == killed_at:
            raise Killed("killed")

    log.folder = TrialDir(tmp_path / "trial", on_saved=kill)
    schedule = CheckpointSchedule(every=math.inf, rungs=(4,))
    with pytest.raises(Killed):
        run(log, constant, store, schedule)
    assert not log.of("reported")
    again = Log(tmp_path / "trial")
    assert run(again, constant, store, schedule) == "completed"
    assert again.of("reported") == [1, 2, 3, 4, 5, 6]
    best = again.folder.best_checkpoint()
    assert best is not None and best.epoch == 1
    assert equal_history(again.folder, constant, store)


def test_a_segment_that_is_ended_amid_reports_goes_on_from_its_checkpoint(
    store: Store, falling: TrialConfig, tmp_path: Path
) -> None:
    schedule = CheckpointSchedule(every=math.inf, rungs=(4,))
    log = Log(tmp_path / "trial", last=2)
    assert run(log, falling, store, schedule) == "interrupted"
    assert log.of("reported") == [1, 2] and log.of("saved") == [4]
    again = Log(tmp_path / "trial")
    assert run(again, falling, store, schedule) == "completed"
    assert again.of("reported") == [1, 2, 3, 4, 5, 6]
    assert equal_history(again.folder, falling, store)


@pytest.mark.parametrize("error", [ValueError("a bug"), KeyboardInterrupt()])
def test_finished_epochs_are_saved_when_training_ends_by_an_error(
    store: Store,
    falling: TrialConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
) -> None:
    forward, log = CNN.forward, Log(tmp_path / "trial")

    def fail(self: CNN, x: torch.Tensor) -> torch.Tensor:
        if len(log.of("trained")) == 3:
            raise error
        return forward(self, x)

    monkeypatch.setattr(CNN, "forward", fail)
    with pytest.raises(type(error)):
        run(log, falling, store, RARELY)
    assert log.of("saved") == [3] and log.of("reported") == [1, 2, 3]
    result = log.folder.result()
    assert result is not None and len(result["history"]) == 3
    assert result["status"] == ("failed" if isinstance(error, ValueError) else "running")


def test_epochs_before_one_that_diverges_are_saved(
    store: Store, falling: TrialConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward, log = CNN.forward, Log(tmp_path / "trial")

    def diverge(self: CNN, x: torch.Tensor) -> torch.Tensor:
        return forward(self, x) * (math.nan if len(log.of("trained")) == 3 else 1.0)

    monkeypatch.setattr(CNN, "forward", diverge)
    assert run(log, falling, store, RARELY) == "diverged"
    assert log.of("saved") == [3] and log.of("reported") == [1, 2, 3]
    result = log.folder.result()
    assert result is not None and (result["status"], len(result["history"])) == ("diverged", 3)


def test_a_segment_that_the_driver_ends_writes_nothing_more(
    store: Store, falling: TrialConfig, tmp_path: Path
) -> None:
    def end(record: Any) -> None:
        if record["epoch"] == 2:
            raise SystemExit

    log = Log(tmp_path / "trial")
    with pytest.raises(SystemExit):
        run_trial(
            falling,
            store,
            log.folder,
            on_report=log.reported,
            on_trained=end,
            schedule=RARELY,
        )
    assert not log.of("saved") and not log.of("reported")
