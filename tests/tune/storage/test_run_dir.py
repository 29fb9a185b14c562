"""Run directories: one driver at a time, and writers of an older generation are refused."""

import json
import os
import platform
from pathlib import Path

import pytest

from genretune.tune.errors import RecordMismatch, TuneError
from genretune.tune.storage.run_dir import Lease, Replaced, RunDir
from genretune.tune.trial.trial_dir import TrialDir, open_trial_dir


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    folder = RunDir(tmp_path / "run")
    folder.create("version: 1\n", {"version": 1})
    return folder


def hold(run: RunDir, **holder: object) -> None:
    run.driver_json.write_text(json.dumps({"generation": 4, "started": 0.0, **holder}))


def test_an_existing_folder_is_left_alone(run: RunDir) -> None:
    with pytest.raises(TuneError, match="--out: must be a new folder, got .*run, which exists"):
        run.create("other", {"version": 1})
    assert run.space_yaml.read_text() == "version: 1\n"


def test_a_second_driver_is_refused_and_generations_grow(run: RunDir) -> None:
    with run.drive() as generation:
        assert generation == 1 and run.driving()
        refused = pytest.raises(TuneError, match=f"in use by process {os.getpid()} on .*wait for")
        with refused, run.drive():
            pass
    assert not run.driving()
    with run.drive() as generation:
        assert generation == 2


def test_a_dead_holder_on_this_machine_is_taken_over(run: RunDir) -> None:
    hold(run, host=platform.node(), pid=os.getpid(), started=12345.0)  # a number used again
    with run.drive() as generation:
        assert generation == 5


def test_a_holder_elsewhere_is_taken_over_on_request_only(run: RunDir) -> None:
    hold(run, host="another-host", pid=1)
    with pytest.raises(TuneError, match="on another-host .--takeover once"), run.drive():
        pass
    with run.drive(takeover=True) as generation:
        assert generation == 5


def test_a_writer_of_an_older_generation_puts_nothing_in_place(run: RunDir) -> None:
    old = open_trial_dir(run, 0, lease=Lease(1))
    hold(run, host=platform.node(), pid=None)
    with pytest.raises(Replaced, match="driver 1 was replaced by 4"):
        old.write_result({"status": "running"})
    assert TrialDir(old.path).result() is None


def test_what_is_no_run_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(TuneError, match=r"must be a run directory, got no readable sweep\.json"):
        RunDir(tmp_path).sweep()
    (tmp_path / "sweep.json").write_text('{"version": 99}')
    with pytest.raises(RecordMismatch, match="must have version 1"):
        RunDir(tmp_path).sweep()
