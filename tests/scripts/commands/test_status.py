"""``genretune status`` with and without a driver."""

import json
from dataclasses import replace

import pytest

from genretune.scripts.cli import run
from genretune.tune.run.running import Running, RunningTrial, read_running, write_running
from genretune.tune.storage.run_dir import RunDir


def test_the_status_in_words_and_as_json(
    run_dir: RunDir, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["status", str(run_dir.path), "--watch"]) == 0
    line = "trials: 2 completed, 1 paused; 2 epochs; best: trial 1, 0.4000; driver: none\n"
    assert capsys.readouterr().out == line
    assert run(["status", str(run_dir.path), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["best"]["trial"], facts["driver"], facts["idle"]) == (1, None, "")
    assert (facts["running"], facts["waiting"], facts["set_aside"]) == ([], [], {})


def test_where_trials_run_and_which_nodes_do_not_count(
    run_dir: RunDir, capsys: pytest.CaptureFixture[str]
) -> None:
    trained = RunningTrial(0, "gpu-1", "cuda", 1, 12.34, 5_000_000_000, 2_100_000_000)
    started = RunningTrial(1, "gpu-2/abc", "", 0)
    with run_dir.drive() as generation:
        sick = {"gpu-3/def": "cannot describe itself: no driver"}
        running = Running(generation, 4, (2,), (trained, started), sick)
        write_running(run_dir, running)
        assert run(["status", str(run_dir.path)]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert run(["status", str(run_dir.path), "--json"]) == 0
        facts = json.loads(capsys.readouterr().out)
        assert read_running(run_dir) == running
        write_running(run_dir, replace(running, generation=generation - 1))
        assert read_running(run_dir) is None, "of the driver before"
    assert lines[1].split() == [
        *("trial", "epoch", "s/epoch", "host", "device", "device", "GB", "process", "GB")
    ]
    assert lines[3].split() == ["0", "1", "12.3", "gpu-1", "cuda", "5.0", "2.1"]
    assert lines[-2:] == [
        "waiting for a node: trials 2",
        "set aside for now: node gpu-3/def: cannot describe itself: no driver",
    ]
    assert facts["running"][0]["process_bytes"] == 2_100_000_000
    run_dir.running_json.write_text("[]")
    assert read_running(run_dir) is None
