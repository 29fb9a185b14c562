"""``genretune plan`` and ``genretune schema``."""

import json
from pathlib import Path

import pytest

from genretune.scripts.cli import run

SPACES = Path(__file__).parents[3] / "search_spaces"
PLUGIN = """
import torch
from torch import Tensor, nn


class Flat(nn.Module):
    def __init__(self, *, classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(2, classes)

    def forward(self, x_BCFT: Tensor) -> Tensor:
        return self.linear(torch.stack([x_BCFT.mean((1, 2, 3)), x_BCFT.amax((1, 2, 3))], 1))


MODELS = {"flat": Flat}
"""


@pytest.fixture(autouse=True)
def as_the_command_line_sets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the command does not re-execute itself."""
    from genretune.tune.reproducibility.determinism_env import ENVIRONMENT

    for name, value in ENVIRONMENT["strict"].items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)


def test_the_plan_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    quickstart = str(SPACES / "quickstart.yaml")
    assert run(["plan", quickstart, "--concurrency", "4", "--first", "2", "--json"]) == 0
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


def test_the_plan_names_what_was_measured_to_find_more(capsys: pytest.CaptureFixture[str]) -> None:
    space = str(SPACES / "se_cnn.yaml")
    assert run(["plan", space, "sampler={type: tpe}", "early_terminate.grace_period=6"]) == 0
    text = capsys.readouterr().out
    assert "sampler.type: parzen instead of tpe" in text
    assert "early_terminate.grace_period: 2 instead of 6 (of 50 epochs" in text
    assert run(["plan", space]) == 0
    assert "as measured best" in capsys.readouterr().out


def test_an_invalid_value_is_reported_with_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", str(SPACES / "se_cnn.yaml"), "trial.model.pool=mean"]) == 2
    error = capsys.readouterr().err
    assert "command line: trial.model.pool:" in error
    assert len(error.splitlines()) == 1
    assert run(["plan", str(SPACES / "reduction.yaml"), "trial.model.width=8"]) == 2
    assert "command line: trial.model.width: must be an argument" in capsys.readouterr().err
    assert run(["plan", str(SPACES / "se_cnn.yaml"), "trial.model={name: lcnn9, width: 8}"]) == 2
    assert "command line: trial.model.width: must be an argument" in capsys.readouterr().err


def test_measuring_times_steps_on_the_corpus(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a plug-in, which the timed process has to load as well."""
    plugin = tmp_path / "mine.py"
    plugin.write_text(PLUGIN)
    mine = ["trial.model={name: flat}", "--plugin", str(plugin), "--first", "1"]
    arguments = ["plan", str(SPACES / "quickstart.yaml"), *mine, "--data", str(corpus)]
    folds = ["data.split.folds=3", "data.window.seconds=0.5", "--measure", "--json"]
    assert run([*arguments, *folds]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["measured"][0]["train_ms"] > 0
    assert plan["peak_mb"] > 100
    assert plan["train_windows"] > plan["validation_windows"] > 0
    assert plan["open_trial_bytes"] == 3 * 3 * 4 * (2 * 10 + 10), "Adam's moments, three files"


def test_measuring_needs_a_corpus_and_configurations(capsys: pytest.CaptureFixture[str]) -> None:
    quickstart = str(SPACES / "quickstart.yaml")
    assert run(["plan", quickstart, "--measure"]) == 2
    assert "--measure: must have a corpus" in capsys.readouterr().err
    assert run(["plan", quickstart, "--measure", "--first", "0", "--data", "DIR"]) == 2
    assert "--measure: must have configurations to time" in capsys.readouterr().err


def test_a_plug_in_needs_no_corpus_for_a_plan(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plugin = tmp_path / "mine.py"
    plugin.write_text(PLUGIN)
    arguments = ["plan", str(SPACES / "quickstart.yaml"), "trial.model={name: flat}"]
    assert run([*arguments, "--plugin", str(plugin)]) == 0
    assert run(arguments) == 2
    assert 'must be the name of a known model, got "flat"' in capsys.readouterr().err


def test_the_schema_is_printed_as_checked_in(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["schema"]) == 0
    assert capsys.readouterr().out == (SPACES / "schema.json").read_text()


def test_disk_usage_depends_on_what_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    found = {}
    for keep in ("none", "best", "usual", "all"):
        arguments = [str(SPACES / "quickstart.yaml"), "--first", "0", f"keep={keep}", "--json"]
        assert run(["plan", *arguments]) == 0
        found[keep] = json.loads(capsys.readouterr().out)
    bytes_of = {keep: plan["disk_bytes"] for keep, plan in found.items()}
    assert bytes_of["none"] == 0 < bytes_of["best"] < bytes_of["usual"] < bytes_of["all"]
    assert bytes_of["all"] == found["all"]["open_trial_bytes"] * found["all"]["trials"]
