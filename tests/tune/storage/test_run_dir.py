"""Run directories: one driver at a time, and late writes of older generations are rejected."""

import errno
import json
import os
import platform
from pathlib import Path

import pytest

from genretune.tune.errors import RecordMismatch, TuneError
from genretune.tune.storage import untrusted
from genretune.tune.storage.atomic_io import StorageFailure
from genretune.tune.storage.run_dir import Lease, Replaced, RunDir
from genretune.tune.trial.trial_dir import TrialDir, open_trial_dir


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    run = RunDir(tmp_path / "run")
    run.create("version: 1\n", {"version": 1})
    return run


def set_holder(run: RunDir, **holder: object) -> None:
    run.driver_json.write_text(json.dumps({"generation": 4, "started": 0.0, **holder}))


def test_an_existing_folder_is_not_overwritten(run: RunDir) -> None:
    with pytest.raises(TuneError, match="--out: must be a new folder, got .*run, which exists"):
        run.create("other", {"version": 1})
    assert run.space_yaml.read_text() == "version: 1\n"


def test_a_second_driver_is_refused_and_generations_grow(run: RunDir) -> None:
    with run.drive() as generation:
        assert generation == 1 and run.has_driver()
        refused = pytest.raises(TuneError, match=f"in use by process {os.getpid()} on .*wait for")
        with refused, run.drive():
            pass
    assert not run.has_driver()
    with run.drive() as generation:
        assert generation == 2


def test_a_dead_holder_on_this_machine_is_taken_over(run: RunDir) -> None:
    set_holder(run, host=platform.node(), pid=os.getpid(), started=12345.0)  # a reused process id
    with run.drive() as generation:
        assert generation == 5


def test_a_holder_on_another_host_is_taken_over_on_request_only(run: RunDir) -> None:
    set_holder(run, host="another-host", pid=1)
    with pytest.raises(TuneError, match="on another-host .--takeover once"), run.drive():
        pass
    with run.drive(takeover=True) as generation:
        assert generation == 5


def test_late_writes_of_an_older_generation_are_rejected(run: RunDir) -> None:
    old = open_trial_dir(run, 0, lease=Lease(1))
    set_holder(run, host=platform.node(), pid=None)
    with pytest.raises(Replaced, match="driver 1 was replaced by 4"):
        old.write_result({"status": "running"})
    assert TrialDir(old.path).result() is None


def test_a_folder_that_is_not_a_run_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TuneError, match=r"must be a run directory, got no readable sweep\.json"):
        RunDir(tmp_path).sweep()
    (tmp_path / "sweep.json").write_text('{"version": 99}')
    with pytest.raises(RecordMismatch, match="must have version 1"):
        RunDir(tmp_path).sweep()


def test_a_damaged_storage_file_is_one_line(run: RunDir) -> None:
    assert run.storage() is None
    run.storage_json.write_text('{"url": 1}')
    with pytest.raises(RecordMismatch, match="storage.json: must have a readable uri"):
        run.storage()


def test_a_missing_driver_json_is_a_storage_failure_and_no_fence_at_zero(run: RunDir) -> None:
    with pytest.raises(StorageFailure, match="must stay readable while its driver runs"):
        run.check_lease(0, Lease(1))
    set_holder(run, host=platform.node(), pid=None)
    run.check_lease(0, Lease(4))
    run.revoke(0)
    with pytest.raises(Replaced, match="this segment of trial 0 was given up"):
        run.check_lease(0, Lease(4))
    run.check_lease(0, Lease(4, attempt=1))


def test_a_driver_json_that_cannot_be_read_is_not_generation_zero(
    run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    with run.drive() as generation:
        assert generation == 1

    def stale(path: Path) -> bytes:
        raise OSError(errno.ESTALE, "Stale file handle", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(untrusted, "read_file", stale)
        with pytest.raises(StorageFailure, match="driver.json: must be readable, got Stale"):
            with run.drive():
                pass
    with run.drive() as generation:
        assert generation == 2
