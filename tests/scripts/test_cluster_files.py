"""Launch files, run in a shell with fake commands for Slurm, Ray and genretune."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent.parent / "scripts" / "cluster"
FAKES = {
    "scontrol": 'echo "scontrol $*" >> $TRACE; [ "$1" != show ] || printf "node1\\nnode2\\n"\n',
    "sbatch": 'echo "sbatch $*" >> $TRACE; echo 77\n',
    "squeue": """\
echo "squeue $*" >> $TRACE
case "$LISTED" in
    "") echo "slurm_load_jobs error: Invalid job id specified" >&2; exit 1 ;;
    down) echo "Unable to contact slurm controller" >&2; exit 1 ;;
    ended) ;;
    *) echo "$LISTED" ;;
esac
""",
    "scancel": 'echo "scancel $*" >> $TRACE\n',
    "srun": """\
echo "srun $*" >> $TRACE
case "$*" in
    *kill*) while [ "$1" != kill ]; do shift; done; exec "$@" ;;
    *symmetric-run*) while [ "$1" != -- ]; do shift; done; shift; exec "$@" ;;
esac
""",
    "ray": """\
echo "ray $*" >> $TRACE
case "$1" in
    start) exec sleep 60 ;;
    status) echo " 0.0/8.0 CPU" ;;
esac
""",
    "hostname": "echo 10.0.0.1\n",
    "genretune": """\
echo "genretune $*" >> $TRACE
mkdir -p $RUN
[ -e $RUN/sweep.json ] || echo {} > $RUN/sweep.json
trap 'echo "got USR1" >> $TRACE; exit 75' USR1
echo "{\\"generation\\": 1, \\"pid\\": $$}" > $RUN/driver.json
n=0
while [ $n -lt ${LONG:-0} ]; do sleep 0.05; n=$((n + 1)); done
exit ${CODE:-0}
""",
}


class Fakes:
    """A folder with the fake commands, and a trace of their calls."""

    def __init__(self, folder: Path) -> None:
        self.run = folder / "run"
        self.trace = folder / "trace"
        programs = folder / "bin"
        programs.mkdir()
        for name, body in FAKES.items():
            (programs / name).write_text(f"#!/bin/sh\n{body}")
            (programs / name).chmod(0o755)
        self.environment = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "TRACE": str(self.trace),
            "RUN": str(self.run),
            "SLURM_JOB_ID": "123",
            "LISTED": "",
            "SLURM_JOB_NODELIST": "node[1-2]",
            "SLURM_JOB_NUM_NODES": "2",
            "SLURM_CPUS_PER_TASK": "8",
        }

    def start(self, script: str, *arguments: str | Path, **more: str) -> subprocess.Popen[bytes]:
        command = ["sh", str(FOLDER / script), *map(str, arguments)]
        return subprocess.Popen(command, env=self.environment | more)

    @property
    def job_file(self) -> Path:
        """The file with the id of the job that drives the run."""
        return self.run.with_name("run.job")

    def refused(self, *arguments: str | Path, **more: str) -> str:
        """Run a job that must be refused before it starts anything; return its message."""
        done = subprocess.run(
            ["sh", str(FOLDER / arguments[0]), *map(str, arguments[1:])],
            env=self.environment | more,
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        assert done.returncode == 2 and done.stderr.count("\n") == 1, done
        trace = self.trace.read_text() if self.trace.exists() else ""
        assert "genretune" not in trace and "ray start" not in trace
        return done.stderr

    def until(self, text: str) -> None:
        for _ in range(400):
            if self.trace.exists() and text in self.trace.read_text():
                return
            time.sleep(0.02)
        raise AssertionError(self.trace.read_text())


@pytest.fixture
def fakes(tmp_path: Path) -> Fakes:
    return Fakes(tmp_path)


def test_slurm_searches_then_resumes(fakes: Fakes) -> None:
    arguments = ("slurm.sh", "space.yaml", "/data", fakes.run)
    assert fakes.start(*arguments, "--trials", "5").wait(20) == 0
    assert not fakes.job_file.exists()
    trace = fakes.trace.read_text()
    assert "symmetric-run --address node1:20123 --min-nodes 2 --num-cpus 8 --" in trace
    searched = f"genretune search space.yaml --data /data --out {fakes.run} --address auto"
    assert f"{searched} --trials 5" in trace
    assert fakes.start(*arguments, CODE="3").wait(20) == 3
    resumed = f"genretune resume {fakes.run} --data /data --address auto"
    assert resumed in fakes.trace.read_text()
    assert "requeue" not in fakes.trace.read_text()
    assert not list(fakes.run.parent.glob("run.exit*"))


def test_slurm_forwards_the_signal_and_requeues(fakes: Fakes) -> None:
    job = fakes.start("slurm.sh", "space.yaml", "/data", fakes.run, LONG="200")
    fakes.until("genretune search")
    while not (fakes.run / "driver.json").exists():
        time.sleep(0.02)
    job.send_signal(signal.SIGUSR1)
    assert job.wait(20) == 75
    trace = fakes.trace.read_text()
    assert "--nodelist=node1 kill -USR1" in trace and "got USR1" in trace
    assert "scontrol requeue 123" in trace
    assert fakes.job_file.read_text() == "123\n"
    assert fakes.start("slurm.sh", "space.yaml", "/data", fakes.run).wait(20) == 0
    resumed = f"genretune resume {fakes.run} --data /data --takeover --address auto"
    assert resumed in fakes.trace.read_text(), "the same job may replace its own driver"
    assert "squeue" not in fakes.trace.read_text()


SCRIPTS = {
    "slurm.sh": ("space.yaml", "/data"),
    "slurm_preemptible.sh": ("1", "spot", "space.yaml", "/data"),
}


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize(
    ("listed", "expected"),
    [("77 spot genretune me R 1:02 1 node1", "77 spot"), ("down", "squeue failed: Unable to")],
)
def test_a_run_of_another_job_is_refused(
    script: str, listed: str, expected: str, fakes: Fakes
) -> None:
    fakes.job_file.write_text("77\n")
    message = fakes.refused(script, *SCRIPTS[script], fakes.run, LISTED=listed)
    assert f"{fakes.run}: in use by job 77, got job 123 (wait, or scancel 77): " in message
    assert expected in message and fakes.job_file.read_text() == "77\n"


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("listed", ["", "ended"])
def test_a_run_of_a_job_that_is_gone_is_taken_over(script: str, listed: str, fakes: Fakes) -> None:
    fakes.run.mkdir()
    (fakes.run / "sweep.json").touch()
    fakes.job_file.write_text("77\n")
    how = {"LISTED": listed, "CODE": "75", "GENRETUNE_POLL": "0.1"}
    assert fakes.start(script, *SCRIPTS[script], fakes.run, **how).wait(20) == 75
    assert f"genretune resume {fakes.run} --data /data --takeover --address" in (
        fakes.trace.read_text()
    )
    assert fakes.job_file.read_text() == "123\n"
    assert [path.name for path in fakes.run.parent.glob("run.job*")] == ["run.job"]


def test_a_job_file_that_cannot_be_written_is_reported(fakes: Fakes) -> None:
    fakes.job_file.touch()
    message = fakes.refused("slurm.sh", "space.yaml", "/data", fakes.run)
    assert "must hold a job's id, got nothing" in message


def test_a_head_with_preemptible_workers(fakes: Fakes) -> None:
    arguments = ("3", "spot", "space.yaml", "/data", fakes.run)
    job = fakes.start("slurm_preemptible.sh", *arguments, LONG="200", GENRETUNE_POLL="0.1")
    fakes.until("genretune search")
    while not (fakes.run / "driver.json").exists():
        time.sleep(0.02)
    job.send_signal(signal.SIGUSR1)
    assert job.wait(20) == 75
    trace = fakes.trace.read_text()
    assert "ray start --head --node-ip-address=10.0.0.1 --port=20123 --num-cpus=0 --block" in trace
    assert "--partition=spot --array=1-3 --requeue" in trace
    assert "srun ray start --address=10.0.0.1:20123 --block" in trace
    assert "--address 10.0.0.1:20123" in trace
    assert "scancel 77" in trace and "scontrol requeue 123" in trace


@pytest.mark.parametrize("script", ["slurm.sh", "slurm_preemptible.sh"])
def test_too_few_arguments_are_refused(script: str, fakes: Fakes) -> None:
    assert fakes.start(script, "space.yaml").wait(20) == 2
    assert subprocess.run(["sh", "-n", str(FOLDER / script)], check=False).returncode == 0
