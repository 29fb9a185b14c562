"""Launch files, run in a shell with fake commands for Slurm, Ray and genretune."""

import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.scripts.slurm_fakes import FOLDER, JOBS, Fakes, both


@pytest.fixture
def fakes(tmp_path: Path) -> Fakes:
    return Fakes(tmp_path)


@both
def test_a_job_searches_then_resumes_without_the_overrides(script: str, fakes: Fakes) -> None:
    arguments = (script, *JOBS[script], fakes.run)
    words = "trial.epochs=40 --resources cpu=1,gpu=0 --allow-mixed seed=3 --keep=best -W 5 data.a=1"
    assert fakes.start(*arguments, *words.split()).wait(20) == 0
    assert not fakes.job_file.exists()
    searched = f"genretune search space.yaml --data /data --out {fakes.run} --address "
    assert f"{searched}10.0.0.1:20123 {words} (64)" in fakes.trace.read_text()
    assert fakes.start(*arguments, *words.split(), CODE="3").wait(20) == 3
    resumed = f"genretune resume {fakes.run} --data /data --address 10.0.0.1:20123"
    kept = "--resources cpu=1,gpu=0 --allow-mixed --keep=best -W 5 (64)"
    assert f"{resumed} {kept}" in fakes.trace.read_text()
    assert "requeue" not in fakes.trace.read_text()
    assert [path.name for path in fakes.run.parent.glob("run*")] == ["run"]


def test_slurm_starts_ray_with_what_was_granted(fakes: Fakes) -> None:
    job = ("slurm.sh", "space.yaml", "/data", fakes.run)
    assert fakes.start(*job, SLURM_GPUS="8").wait(20) == 0
    trace = fakes.trace.read_text()
    assert "ray start --head --port=20123 --node-ip-address=10.0.0.1 --num-cpus=8" in trace
    (step,) = [line for line in trace.splitlines() if line.startswith("srun")]
    assert "--export=ALL --nodes=1 --ntasks=1 --ntasks-per-node=1 --gpus-per-node=4" in step
    assert "--cpus-per-task=8 --exclude=node1" in step and step.endswith("(GPUs in all: unset)")
    (worker,) = [line for line in trace.splitlines() if line.startswith("ray start --address")]
    assert worker.startswith("ray start --address=10.0.0.1:20123")
    assert worker.endswith("--block --num-cpus=8 --num-gpus=4 (64)")


@both
def test_the_time_limit_drains_and_requeues(script: str, fakes: Fakes) -> None:
    arguments = (script, *JOBS[script], fakes.run)
    job = fakes.driving(*arguments)
    job.send_signal(signal.SIGUSR1)
    assert job.wait(20) == 75
    trace = fakes.trace.read_text()
    assert trace.index("got USR1") < trace.index("scontrol requeue 123")
    assert fakes.job_file.read_text() == "123\n"
    assert fakes.start(*arguments).wait(20) == 0
    resumed = f"genretune resume {fakes.run} --data /data --takeover --address "
    assert resumed in fakes.trace.read_text(), "the same job may replace its own driver"
    assert "squeue" not in fakes.trace.read_text()


@both
def test_a_cancelled_job_is_not_requeued(script: str, fakes: Fakes) -> None:
    job = fakes.driving(script, *JOBS[script], fakes.run)
    job.send_signal(signal.SIGTERM)
    assert job.wait(20) == 75
    trace = fakes.trace.read_text()
    assert "got TERM" in trace and "requeue" not in trace
    assert not fakes.job_file.exists()


@both
def test_a_ray_that_does_not_start_fails_the_job(script: str, fakes: Fakes) -> None:
    job = [script, *JOBS[script], str(fakes.run)]
    done = fakes.completed(*job, NO_RAY="1")
    assert done.returncode == 1 and done.stderr.endswith("node1: Ray's head did not start\n")
    assert "genretune search" not in fakes.trace.read_text() and not fakes.job_file.exists()


@both
def test_workers_that_all_end_fail_the_job(script: str, fakes: Fakes) -> None:
    done = fakes.completed(
        script, *JOBS[script], str(fakes.run), NO_STEP="1", LISTED="ended", NODES="1"
    )
    assert done.returncode == 1
    assert done.stderr.endswith("node1: another node must join Ray, got none that still tries\n")


def test_a_worker_tries_again(fakes: Fakes) -> None:
    job = fakes.start("slurm_worker.sh", "10.0.0.1:20123", NO_RAY="1")
    assert job.wait(20) == 1
    assert fakes.trace.read_text().count("ray start --address=10.0.0.1:20123") == 3


def test_a_job_begins_without_nodes_that_do_not_join(fakes: Fakes) -> None:
    job = ("slurm.sh", "space.yaml", "/data", str(fakes.run))
    done = fakes.completed(*job, SLURM_JOB_NUM_NODES="3", GENRETUNE_JOIN_TIMEOUT="0")
    assert done.returncode == 0
    assert "2 of 3 nodes have joined; others get trials when they join\n" in done.stderr


@both
def test_the_token_is_new_and_on_no_command_line(script: str, fakes: Fakes) -> None:
    tokens = set()
    for _ in range(2):
        assert fakes.start(script, *JOBS[script], fakes.run).wait(20) == 0
        tokens.add(fakes.trace.with_name("trace.token").read_text().strip())
    trace = fakes.trace.read_text()
    assert len(tokens) == 2 and all(len(token) == 64 for token in tokens)
    assert not any(token in trace for token in tokens)


def test_an_increment_is_refused_which_every_requeue_would_add(fakes: Fakes) -> None:
    for words in (("--trials", "+5"), ("--trials=+5",)):
        message = fakes.refused("slurm.sh", "space.yaml", "/data", fakes.run, *words)
        assert message.startswith("--trials: must be a total in a job, got +5")


def test_the_environment_is_activated_by_a_line(fakes: Fakes, tmp_path: Path) -> None:
    job = ("slurm.sh", "space.yaml", "/data", fakes.run)
    (tmp_path / "bin" / "genretune").rename(tmp_path / "genretune")
    assert "genretune: must be on PATH, got none" in fakes.refused(*job)
    assert "got the error above" in fakes.refused(*job, GENRETUNE_ACTIVATE="false")
    line = f"PATH='{tmp_path}':$PATH"
    assert fakes.start(*job, GENRETUNE_ACTIVATE=line).wait(20) == 0


def test_a_copy_finds_its_folder(fakes: Fakes, tmp_path: Path) -> None:
    """Slurm runs a copy of the script, in a folder of its own."""
    for name, arguments in JOBS.items():
        copy = tmp_path / "slurm_script"
        shutil.copy(FOLDER / name, copy)
        command = ["sh", str(copy), *arguments, str(fakes.run)]
        for where in ({"SCRIPT": str(FOLDER / name)}, {"GENRETUNE_CLUSTER": str(FOLDER)}):
            environment = fakes.environment | {"SCRIPT": "(null)"} | where
            subprocess.run(command, env=environment, check=True, timeout=20)
        done = subprocess.run(command, env=fakes.environment, check=False, capture_output=True)
        assert done.returncode == 2 and b"GENRETUNE_CLUSTER: must be the folder of" in done.stderr


def test_a_head_with_preemptible_workers(fakes: Fakes) -> None:
    arguments = ("slurm_preemptible.sh", "3", "spot", "space.yaml", "/data", fakes.run)
    job = fakes.driving(*arguments, GENRETUNE_WORKER_OPTIONS="--mem=0 --gpus-per-node=4")
    job.send_signal(signal.SIGTERM)
    assert job.wait(20) == 75
    trace = fakes.trace.read_text()
    assert "--node-ip-address=10.0.0.1 --num-cpus=0 --num-gpus=0" in trace
    name = "genretune-worker-123"
    submitted = f"--mem=0 --gpus-per-node=4 --partition=spot --array=1-3 --job-name={name}"
    assert f"sbatch {submitted} --export=ALL {FOLDER}/slurm_worker.sh 10.0.0.1:20123" in trace
    assert "(64 outside)" in trace, "it has the token and none of the head's variables"
    assert f"--name={name}" in trace[trace.index("got TERM") :], "no worker stays behind"


def test_a_requeue_cancels_the_workers_first(fakes: Fakes) -> None:
    job = fakes.driving("slurm_preemptible.sh", *JOBS["slurm_preemptible.sh"], fakes.run)
    job.send_signal(signal.SIGUSR1)
    assert job.wait(20) == 75
    trace = fakes.trace.read_text()
    trace = trace[trace.index("got USR1") :]
    assert trace.index("--name=genretune-worker-123") < trace.index("scontrol requeue 123")


def test_a_worker_requeues_itself_at_its_limit(fakes: Fakes) -> None:
    job = fakes.start("slurm_worker.sh", "10.0.0.1:20123", SLURM_CPUS_PER_TASK="")
    fakes.until("ray start --address=10.0.0.1:20123")
    assert "--num-cpus=16 --num-gpus=4" in fakes.trace.read_text()
    job.send_signal(signal.SIGUSR1)
    assert job.wait(20) != 0
    assert "scontrol requeue 123" in fakes.trace.read_text()


@both
def test_too_few_arguments_are_refused(script: str, fakes: Fakes) -> None:
    assert fakes.start(script, "space.yaml").wait(20) == 2


def test_the_scripts_are_posix_shell() -> None:
    for path in FOLDER.glob("*.sh"):
        assert subprocess.run(["sh", "-n", str(path)], check=False).returncode == 0
