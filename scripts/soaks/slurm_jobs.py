"""Jobs of a real Slurm, for the soak test of the launch files."""

import os
import re
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from genretune.scripts import soaks

CLUSTER = Path(next(iter(soaks.__path__))).parent / "cluster"
_POLL = 1.0  # s


class Unexpected(Exception):
    """A job did something else than it should."""


@dataclass(frozen=True)
class State:
    """What ``scontrol show job`` says of a job.

    Attributes:
        name: in Slurm's words: PENDING, RUNNING, COMPLETED, FAILED, ...
        code: exit code; 0 before the end.
        restarts: how often it was requeued.
        nodes: as Slurm abbreviates them; empty before the start.
    """

    name: str
    code: int
    restarts: int
    nodes: str


@dataclass(frozen=True)
class Slurm:
    """Where the jobs of one soak test run.

    Attributes:
        work: folder on storage that all nodes share; jobs start there.
        options: for every ``sbatch``.
        timeout: s until a job must have reached what is waited for.
    """

    work: Path
    options: tuple[str, ...]
    timeout: float
    submitted: list[int] = field(default_factory=list)

    def submit(self, *words: object, **environment: str) -> int:
        """Submit a job and return its id."""
        command = ["sbatch", "--parsable", "--output=job-%j.out", *self.options]
        done = _run([*command, *map(str, words)], cwd=self.work, environment=environment)
        job = int(done.split(";")[0])
        self.submitted.append(job)
        return job

    def state(self, job: int | str) -> State:
        """Return a job's state; an array's task is named ARRAY_TASK."""
        text = _run(["scontrol", "show", "job", str(job)])
        found = dict(re.findall(r"(\w+)=(\S*)", text))
        nodes = found.get("NodeList", "").replace("(null)", "")
        code, signal = map(int, found["ExitCode"].split(":"))
        return State(found["JobState"], code or signal, int(found["Restarts"]), nodes)

    def output(self, job: int) -> str:
        """Return what a job has printed."""
        path = self.work / f"job-{job}.out"
        return path.read_text(errors="replace") if path.exists() else ""

    def until(self, what: str, reached: Callable[[], object]) -> None:
        """Wait until ``reached`` returns something true.

        Raises:
            Unexpected: it does not within the timeout.
        """
        end = time.monotonic() + self.timeout
        while not reached():
            if time.monotonic() > end:
                raise Unexpected(f"must happen within {self.timeout:g} s: {what}")
            time.sleep(_POLL)

    def end_of(self, job: int) -> State:
        """Wait for a job's end, through requeues, and return its last state."""
        active = ("PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "REQUEUED", "STOPPED")
        self.until(f"the end of job {job}", lambda: self.state(job).name not in active)
        return self.state(job)

    def tasks(self, name: str) -> list[str]:
        """Return the array tasks with this job name that have not ended, as ARRAY_TASK."""
        listed = _run(["squeue", "--noheader", "--array", "--name", name, "--format", "%F_%K"])
        return listed.split()

    def cancel(self, job: int) -> None:
        """Cancel a job; return at once."""
        _run(["scancel", str(job)])

    def preempt(self, task: str, partition: str | None) -> None:
        """Take a running job's node away, by a job in ``partition`` or else by a requeue."""
        if partition is None:
            _run(["scontrol", "requeue", task])
        else:
            node = ["--nodes=1", "--exclusive", f"--nodelist={self.state(task).nodes}"]
            self.submit(*node, f"--partition={partition}", "--time=1", "--wrap=sleep 5")
        self.until(f"the requeue of job {task}", lambda: self.state(task).restarts > 0)

    def run_on_node(self, job: int, python: str, code: str) -> str:
        """Run Python code on a job's first node, beside the job; return its output."""
        command = ["srun", "--jobid", str(job), "--overlap", "--nodes=1", "--ntasks=1"]
        return _run([*command, python, "-c", code])

    def cancel_all(self) -> None:
        """Cancel what is left of the submitted jobs, and of their workers."""
        for job in self.submitted:
            for which in ([str(job)], ["--name", f"genretune-worker-{job}"]):
                subprocess.run(["scancel", *which], check=False, capture_output=True)


def _run(
    command: Sequence[str], *, cwd: Path | None = None, environment: Mapping[str, str] | None = None
) -> str:
    """Run a command of Slurm's and return its output.

    Raises:
        Unexpected: it fails.
    """
    done = subprocess.run(
        command,
        cwd=cwd,
        env=os.environ | dict(environment or {}),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise Unexpected(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout.strip()
