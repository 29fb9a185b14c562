"""RUN.job: which Slurm job drives a run directory, and which one may take it over."""

import json
import os
import signal
from pathlib import Path

import pytest

from tests.scripts.slurm_fakes import JOBS, Fakes, both


@pytest.fixture
def fakes(tmp_path: Path) -> Fakes:
    return Fakes(tmp_path)


@both
def test_a_limit_that_comes_before_the_driver_requeues(script: str, fakes: Fakes) -> None:
    fakes.job_file.write_text("77\n")
    job = fakes.start(script, *JOBS[script], fakes.run, LISTED="COMPLETING genretune me")
    fakes.until("squeue")
    job.send_signal(signal.SIGUSR1)
    assert job.wait(20) == 75
    assert "scontrol requeue 123" in fakes.trace.read_text()
    assert "genretune search" not in fakes.trace.read_text()


@both
def test_a_driver_that_was_killed_leaves_the_job_file(script: str, fakes: Fakes) -> None:
    job = fakes.driving(script, *JOBS[script], fakes.run)
    driver = json.loads((fakes.run / "driver.json").read_text())["pid"]
    os.kill(driver, signal.SIGKILL)
    assert job.wait(20) == 137
    assert fakes.job_file.read_text() == "123\n", "the next job may take over"


@both
def test_a_job_that_was_refused_by_a_living_driver_gives_no_proof_that_it_is_dead(
    script: str, fakes: Fakes
) -> None:
    fakes.run.mkdir()
    (fakes.run / "driver.json").write_text('{"generation": 1, "pid": 7, "host": "login"}')
    refusing = "genretune() { sleep 0.2; return 2; }"
    job = fakes.start(script, *JOBS[script], fakes.run, GENRETUNE_ACTIVATE=refusing)
    assert job.wait(20) == 2
    assert not fakes.job_file.exists(), "else the next job would replace that driver"


@both
@pytest.mark.parametrize(
    ("listed", "expected"),
    [("RUNNING genretune me 1:02 node1", "RUNNING"), ("down", "squeue failed: Unable to")],
)
def test_a_run_of_another_job_is_refused(
    script: str, listed: str, expected: str, fakes: Fakes
) -> None:
    fakes.job_file.write_text("77\n")
    message = fakes.refused(script, *JOBS[script], fakes.run, LISTED=listed)
    assert f"{fakes.run}: in use by job 77, got job 123 (wait, or scancel 77): " in message
    assert expected in message and fakes.job_file.read_text() == "77\n"


@both
@pytest.mark.parametrize("listed", ["", "ended", "completing"])
def test_a_run_of_a_job_that_is_gone_is_taken_over(script: str, listed: str, fakes: Fakes) -> None:
    fakes.run.mkdir()
    (fakes.run / "sweep.json").touch()
    fakes.job_file.write_text("77\n")
    how = {"LISTED": listed, "CODE": "75"}
    assert fakes.start(script, *JOBS[script], fakes.run, **how).wait(20) == 75
    assert f"genretune resume {fakes.run} --data /data --takeover --address" in (
        fakes.trace.read_text()
    )
    assert fakes.job_file.read_text() == "123\n"
    assert [path.name for path in fakes.run.parent.glob("run.job*")] == ["run.job"]


def test_a_job_file_that_cannot_be_written_is_reported(fakes: Fakes) -> None:
    fakes.job_file.touch()
    message = fakes.refused("slurm.sh", "space.yaml", "/data", fakes.run)
    assert "must hold a job's id, got nothing" in message
