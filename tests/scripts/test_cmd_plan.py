"""``genretune plan`` and ``genretune schema``."""

import json
from pathlib import Path

import pytest

from genretune.scripts.cli import run

SPACES = Path(__file__).parents[2] / "search_spaces"


@pytest.fixture(autouse=True)
def as_the_command_line_sets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that no process is started anew."""
    from genretune.tune.levels import ENVIRONMENT

    for name, value in ENVIRONMENT["strict"].items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)


def test_the_plan_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    quickstart = str(SPACES / "quickstart.yaml")
    assert run(["plan", quickstart, "--workers", "4", "--first", "2", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["workers"] == 4
    assert len(plan["first"]) == 2
    assert plan["rungs"][0]["trials"] == plan["trials"]
    assert plan["disk_bytes"] > 0


def test_the_plan_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", str(SPACES / "reduction.yaml"), "--trials", "8"]) == 0
    text = capsys.readouterr().out
    assert "reduction: 8 trials of up to 30 epochs" in text
    assert "parameters: 5, 0 of them conditional; 32 configurations" in text


def test_an_impossible_value_is_found_with_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", str(SPACES / "se_cnn.yaml"), "trial.model.pool=mean"]) == 2
    error = capsys.readouterr().err
    assert "command line: trial.model.pool:" in error
    assert len(error.splitlines()) == 1


def test_measuring_times_steps_on_the_corpus(
    corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["plan", str(SPACES / "quickstart.yaml"), "--data", str(corpus), "--first", "1"]
    folds = ["data.split.folds=3", "data.window.seconds=0.5", "--measure", "--json"]
    assert run([*arguments, *folds]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["measured"][0]["train_ms"] > 0
    assert plan["peak_mb"] > 100
    assert plan["train_windows"] > plan["validation_windows"] > 0


def test_the_schema_is_printed_as_checked_in(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["schema"]) == 0
    assert capsys.readouterr().out == (SPACES / "schema.json").read_text()


def test_disk_is_for_what_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    found = {}
    for keep in ("none", "best", "usual", "all"):
        arguments = [str(SPACES / "quickstart.yaml"), "--first", "0", f"keep={keep}", "--json"]
        assert run(["plan", *arguments]) == 0
        found[keep] = json.loads(capsys.readouterr().out)
    bytes_of = {keep: plan["disk_bytes"] for keep, plan in found.items()}
    assert bytes_of["none"] == 0 < bytes_of["best"] < bytes_of["usual"] < bytes_of["all"]
    assert bytes_of["all"] == found["all"]["open_trial_bytes"] * found["all"]["trials"]
