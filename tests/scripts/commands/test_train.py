"""``genretune train`` without a training: choice of folds, tables, progress, and interruption."""

import os
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from genretune.scripts.commands import train as command
from genretune.tune.errors import TuneError
from genretune.tune.metric_names import METRICS
from genretune.tune.training.train import Outcome

RECORD = {**dict.fromkeys(METRICS, 0.25), "epoch": 3, "trn_loss": 1.5, "seconds": 2.0}


class FakeTrial:
    """Folds 1 to 3 of a trial; ``config`` holds what the command reads."""

    def __init__(self, fold: int = 1) -> None:
        self.config = SimpleNamespace(
            data=SimpleNamespace(split=SimpleNamespace(fold=fold)),
            best=SimpleNamespace(metric="val_loss"),
        )

    def folds(self) -> list["FakeTrial"]:
        return [FakeTrial(fold) for fold in (1, 2, 3)]

    def on_fold(self, fold: int) -> "FakeTrial":
        return FakeTrial(fold)


def selected(fold: str | None) -> list[int]:
    trials = command._select_folds(cast(Any, FakeTrial()), fold)
    return [trial.config.data.split.fold for trial in trials]


def test_fold_selects_one_or_all() -> None:
    assert selected(None) == [1]
    assert selected("2") == [2]
    assert selected("all") == [1, 2, 3]
    with pytest.raises(TuneError, match="--fold: must be all or a fold's number, got two"):
        selected("two")


def test_table_of_folds_ends_with_mean_and_standard_deviation(
    capsys: pytest.CaptureFixture[str],
) -> None:
    outcomes = [
        Outcome("completed", ({**RECORD, "epoch": 1, "val_loss": loss},), "all epochs")
        for loss in (1.0, 3.0)
    ]
    command._print_folds(cast(Any, [FakeTrial(1), FakeTrial(2)]), outcomes, as_json=False)
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [row[:3] for row in rows[-4:-2]] == [["1", "1", "1.0000"], ["2", "1", "3.0000"]]
    assert [row[:2] for row in rows[-2:]] == [["mean", "2.0000"], ["std", "1.4142"]]


def test_progress_is_one_line_per_epoch_without_a_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with command._show_progress("epoch", 4, quiet=False) as show:
        show(RECORD)
    assert capsys.readouterr().out.startswith("epoch 3: loss 1.5000, validation loss 0.2500")
    with command._show_progress("epoch", 4, quiet=True) as show:
        show(RECORD)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 75)])
def test_a_signal_ends_the_command_with_its_exit_code(
    number: signal.Signals,
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(command, "reexec_with_level", lambda *_: None)
    monkeypatch.setattr(command, "_prepare_trials", lambda *_: os.kill(os.getpid(), number))
    settings = tmp_path / "trial.yaml"
    settings.write_text("epochs: 1\n")
    assert command.train(settings, out=tmp_path / "run") == code
    assert "interrupted: run the same command to resume" in capsys.readouterr().err
