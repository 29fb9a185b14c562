"""Reproducibility of whole sweeps: number of workers, kills, extension and replay, on real Ray."""

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.rounding import sums_to_one

pytestmark = pytest.mark.integration

Genretune = Callable[..., subprocess.CompletedProcess[str]]
Rows = Callable[[Path], list[dict[str, Any]]]


def test_the_sweep_ends_with_a_leaderboard_and_stops_some_early(
    finished: Path, leaderboard_of: Rows
) -> None:
    rows = leaderboard_of(finished)
    assert sorted(row["trial"] for row in rows) == list(range(8))
    by_status = Counter(row["status"] for row in rows)
    assert by_status["completed"] >= 1 and by_status["stopped"] >= 1
    assert sum(by_status.values()) == by_status["completed"] + by_status["stopped"]
    values = [row["value"] for row in rows if row["status"] == "completed"]
    assert values == sorted(values)
    result = json.loads((finished / "trials/00000/result.json").read_text())
    assert result["history"][-1]["weights_sha256"] in {row["weights_sha256"] for row in rows}
    stopped = next(row for row in rows if row["status"] == "stopped")
    record = json.loads((finished / f"trials/{stopped['trial']:05d}/result.json").read_text())
    assert (record["status"], record["why"]) == ("stopped", stopped["why"])


def test_no_secret_of_the_environment_is_on_disk(finished: Path) -> None:
    files = [path for path in finished.rglob("*") if path.is_file()]
    assert finished / "driver.log" in files and len(files) > 8 * 4
    for path in files:
        assert b"sentinel" not in path.read_bytes(), path


@pytest.mark.parametrize(("workers", "resources"), [(1, "cpu=1"), (4, "cpu=0.5")])
def test_the_leaderboard_is_the_same_for_any_number_of_workers(
    workers: int,
    resources: str,
    space: Path,
    corpus: Path,
    finished: Path,
    tmp_path: Path,
    genretune: Genretune,
    leaderboard_of: Rows,
) -> None:
    run = tmp_path / "run"
    where = ("--data", corpus, "--out", run)
    done = genretune("search", space, *where, "-W", workers, "--resources", resources)
    assert done.returncode == 0, done.stderr
    assert leaderboard_of(run) == leaderboard_of(finished)


def test_every_trial_replays_exactly_in_a_fresh_process(
    finished: Path, corpus: Path, genretune: Genretune
) -> None:
    done = genretune("replay", finished, "--trial", "all", "--data", corpus, "--json")
    assert done.returncode == 0, done.stderr
    verdicts = json.loads(done.stdout)
    assert [verdict["verdict"] for verdict in verdicts] == ["exact"] * 8
    assert {verdict["epochs"] for verdict in verdicts} >= {1, 5}  # stopped ones and complete ones


def test_a_replay_detects_a_changed_record(
    finished: Path, tmp_path: Path, genretune: Genretune
) -> None:
    folder = tmp_path / "trial"
    folder.mkdir()
    source = finished / "trials" / "00000"
    (folder / "config.json").write_text((source / "config.json").read_text())
    result = json.loads((source / "result.json").read_text())
    result["history"][0]["val_loss"] += 1e-12
    (folder / "result.json").write_text(json.dumps(result))
    done = genretune("replay", folder / "config.json", "--json")
    assert done.returncode == 4, done.stderr
    verdict = json.loads(done.stdout)
    assert verdict["verdict"] == "diverged"
    assert verdict["first_difference"]["what"] == "val_loss"
    assert verdict["first_difference"]["epoch"] == 1


def test_the_best_trial_predicts_the_same_bytes_each_time(
    finished: Path, corpus: Path, tmp_path: Path, genretune: Genretune
) -> None:
    songs = tmp_path / "songs"
    songs.mkdir()
    clips = sorted(corpus.glob("*/*.00000.wav"))[:3]
    for clip in clips:
        (songs / clip.name).write_bytes(clip.read_bytes())
    (songs / "cut.wav").write_bytes(clips[0].read_bytes()[:9000])
    _, best, *_ = (finished / "leaderboard.csv").read_text().splitlines()[1].split(",")
    named = ("--trial", best, "--json")
    found = [genretune("predict", finished, songs, *how) for how in (["--json"], named)]
    assert [one.returncode for one in found] == [1, 1]
    assert found[0].stdout == found[1].stdout
    (line,) = found[0].stderr.splitlines()  # the bad file; the others are still predicted
    assert "cut.wav: must be an audio file, got truncated" in line
    predictions = json.loads(found[0].stdout)
    assert [Path(one["file"]) for one in predictions] == [songs / clip.name for clip in clips]
    for one in predictions:
        assert len(one["probabilities"]) == 10
        assert sums_to_one(one["probabilities"].values())
        assert one["genre"] == max(one["probabilities"], key=one["probabilities"].get)


def test_killed_and_resumed_equals_never_killed(
    space: Path,
    corpus: Path,
    finished: Path,
    tmp_path: Path,
    genretune: Genretune,
    leaderboard_of: Rows,
    events_of: Rows,
) -> None:
    run = tmp_path / "run"
    driver = Driver(tmp_path, "search", space, "--data", corpus, "--out", run, "-W", "2")
    driver.wait_for(run, reports=4)
    driver.end(signal.SIGKILL)
    before = events_of(run)

    refused = genretune("search", space, "--data", corpus, "--out", run)
    assert refused.returncode == 2 and "--out: must be a new folder" in refused.stderr

    done = genretune("resume", run, "-W", "2")
    assert done.returncode == 0, done.stderr
    assert leaderboard_of(run) == leaderboard_of(finished)
    after = events_of(run)
    assert after[: len(before)] == before
    reports = Counter((e["trial"], e["epoch"]) for e in after if e["event"] == "report")
    assert set(reports.values()) == {1}
    ended = Counter(e["trial"] for e in after if e["event"] == "ended")
    assert set(ended.values()) == {1}

    again = genretune("resume", run)
    assert again.returncode == 0 and len(events_of(run)) == len(after)  # nothing left, no Ray


def test_an_extended_sweep_equals_one_that_started_with_as_many_trials(
    space: Path,
    corpus: Path,
    finished: Path,
    tmp_path: Path,
    genretune: Genretune,
    leaderboard_of: Rows,
) -> None:
    run = tmp_path / "run"
    first = genretune("search", space, "--data", corpus, "--out", run, "--trials", "5")
    assert first.returncode == 0, first.stderr
    assert len(leaderboard_of(run)) == 5
    done = genretune("resume", run, "--trials", "+3")
    assert done.returncode == 0, done.stderr
    assert leaderboard_of(run) == leaderboard_of(finished)


def test_interrupted_by_ctrl_c_and_moved(
    space: Path,
    corpus: Path,
    finished: Path,
    tmp_path: Path,
    genretune: Genretune,
    leaderboard_of: Rows,
) -> None:
    run = tmp_path / "run"
    driver = Driver(tmp_path, "search", space, "--data", corpus, "--out", run, "-W", "2")
    driver.wait_for(run, reports=2)
    assert driver.end(signal.SIGINT) == 130
    assert f"genretune resume {run}" in driver.errors.read_text()
    moved = tmp_path / "elsewhere"
    run.rename(moved)
    done = genretune("resume", moved, "--data", corpus)
    assert done.returncode == 0, done.stderr
    assert leaderboard_of(moved) == leaderboard_of(finished)


class Driver:
    """A command in its own process, with its output in files."""

    def __init__(self, folder: Path, *arguments: str | Path) -> None:
        self.output, self.errors = folder / "driver.out", folder / "driver.err"
        with open(self.output, "w") as out, open(self.errors, "w") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "genretune.scripts.cli", *map(str, arguments)],
                stdout=out,
                stderr=err,
            )

    def wait_for(self, run: Path, *, reports: int) -> None:
        """Wait until the journal holds ``reports`` reports."""
        for _ in range(2400):
            assert self.process.poll() is None, self.errors.read_text()
            journal = run / "journal.jsonl"
            if journal.exists() and journal.read_text().count('"event":"report"') >= reports:
                return
            time.sleep(0.05)
        raise AssertionError("the driver reported nothing for two minutes")

    def end(self, number: signal.Signals) -> int:
        """Send a signal; return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout=30)
