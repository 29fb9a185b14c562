"""Freeing disk space, and stopping a trial of a sweep that nobody drives."""

import json
import os
import platform
import threading
from pathlib import Path

import pytest

from genretune.scripts.cli import run as command
from genretune.tune.run.journal import Journal
from genretune.tune.space.load import space_from_text
from genretune.tune.storage.run_dir import RunDir
from genretune.tune.sweep.state_machine import StateMachine
from tests.spaces import tiny_space

SPACE = tiny_space(1)


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    """Two completed trials, trial 1 the better one, and an open one; checkpoints of each."""
    space = space_from_text(SPACE, "tiny.yaml", [])
    folder = RunDir(tmp_path / "run")
    rest = {"overrides": [], "device": "cpu", "determinism": "strict", "plugins": {}}
    data = {"samples": "0" * 64, "sample_rate": 22050}
    rest |= {"data": data, "leakage": {}, "source": None}
    sweep = {"version": 1, "space": space.as_json(), **rest}
    folder.create(SPACE, sweep)
    with Journal(folder.journal) as journal:
        state_machine = StateMachine(space)
        state_machine.begin(host="here", pid=1, environment={})
        for trial in range(3):
            state_machine.next_segment(range(trial))
        for trial, value in ((0, 0.5), (1, 0.4)):
            state_machine.report(trial, 1, value, "a")
            state_machine.ended(trial, "completed", 1, "all epochs")
        journal.append(state_machine.take())
    for trial in range(3):
        saved = folder.trial_path(trial) / "checkpoints"
        saved.mkdir(parents=True)
        (saved / "00001.safetensors").write_bytes(b"x" * 1000)
        os.link(saved / "00001.safetensors", saved / "best.safetensors")
        (saved / ".00002.safetensors.g1-0-99.tmp").write_bytes(b"x" * 500)
    return folder


def names(run: RunDir, trial: int) -> list[str]:
    return sorted(path.name for path in (run.trial_path(trial) / "checkpoints").iterdir())


def test_the_rules(run: RunDir, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(["gc", str(run.path), "--dry-run", "--keep", "none"]) == 0
    assert "would free 0.0 MB in 7 files" in capsys.readouterr().out
    assert len(names(run, 0)) == 3
    assert command(["gc", str(run.path), "--keep", "best", "--top", "1"]) == 0
    assert names(run, 0) == []
    assert names(run, 1) == ["best.safetensors"]
    assert names(run, 2) == ["00001.safetensors", "best.safetensors"], "an open trial goes on"


def test_the_space_says_what_is_kept(run: RunDir, capsys: pytest.CaptureFixture[str]) -> None:
    sweep = run.sweep()
    sweep["space"]["keep"] = "best"
    run.sweep_json.write_text(json.dumps(sweep))
    assert command(["gc", str(run.path)]) == 0
    assert names(run, 0) == ["best.safetensors"]
    assert command(["gc", str(run.path), "--keep", "none"]) == 0
    assert names(run, 0) == []


def test_a_driven_directory_is_left_alone(run: RunDir, capsys: pytest.CaptureFixture[str]) -> None:
    with run.drive():
        assert command(["gc", str(run.path)]) == 2
    assert "must not be driven while it is cleaned" in capsys.readouterr().err
    assert len(names(run, 0)) == 3


def test_a_trial_is_stopped_under_the_lock(run: RunDir, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(["stop", str(run.path), "0"]) == 2
    assert "TRIAL: must be open, got 0, completed" in capsys.readouterr().err
    assert command(["stop", str(run.path), "7"]) == 2
    assert "must have been created, got 7 of 3" in capsys.readouterr().err
    assert command(["stop", str(run.path), "2"]) == 0
    last = json.loads(run.journal.read_text().splitlines()[-1])
    assert (last["event"], last["trial"]) == ("stop", 2)
    assert not run.driving()


def test_a_driver_that_does_not_answer(run: RunDir, capsys: pytest.CaptureFixture[str]) -> None:
    holder = {"generation": 1, "host": platform.node() + "-other", "pid": 1, "started": 0.0}
    run.driver_json.write_text(json.dumps(holder))
    assert command(["stop", str(run.path), "2", "--wait", "0.3"]) == 1
    assert "has not answered for 0.3 s (it will, once it can)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("trial", "told"), [([], "its driver has ended meanwhile"), (["2"], "trial 2: stopped")]
)
def test_a_driver_that_ends_before_it_hears(
    trial: list[str], told: str, run: RunDir, capsys: pytest.CaptureFixture[str]
) -> None:
    holder = {"generation": 1, "host": platform.node() + "-other", "pid": 1, "started": 0.0}
    run.driver_json.write_text(json.dumps(holder))
    gone = threading.Timer(
        0.5, lambda: run.driver_json.write_text(json.dumps({**holder, "pid": None}))
    )
    gone.start()
    assert command(["stop", str(run.path), *trial]) == 0
    gone.join()
    assert told in capsys.readouterr().out
    assert not list((run.path / "requests").iterdir())
