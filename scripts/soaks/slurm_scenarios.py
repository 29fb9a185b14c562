"""What the soak test of the launch files does to jobs; see ``slurm.py``."""

import argparse
import json
import os
import shlex
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from genretune.scripts.soaks.kill import differences
from genretune.scripts.soaks.slurm_jobs import CLUSTER, Slurm, State, Unexpected

# Prints how many processes of a node show the job's token on their command line.
LEAKS = """\
import pathlib
def read(path):
    try: return path.read_bytes()
    except OSError: return b""
mark = b"RAY_AUTH_TOKEN="
tokens, lines = set(), []
for process in pathlib.Path("/proc").glob("[0-9]*"):
    lines.append(read(process / "cmdline"))
    for entry in read(process / "environ").split(bytes(1)):
        if entry.startswith(mark): tokens.add(entry[len(mark):])
assert tokens, "no process has a token"
print(sum(any(token in line for token in tokens) for line in lines))
"""


@dataclass
class Soak:
    """Everything that the scenarios share; ``leaderboard`` is the undisturbed one."""

    slurm: Slurm
    options: argparse.Namespace
    leaderboard: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0  # that it took, with Ray's start

    def run(self, name: str) -> Path:
        """Return the run directory of a scenario."""
        return self.slurm.work / "runs" / name

    def launch(self, run: Path, *sbatch: str, **environment: str) -> int:
        """Submit ``slurm.sh`` for this run directory and return the job's id."""
        script = [CLUSTER / "slurm.sh", *self._sweep(run)]
        options = ["--nodes=2", f"--cpus-per-task={self.options.cpus}", *sbatch]
        return self.slurm.submit(*options, *script, **(self._environment() | environment))

    def launch_head(self, run: Path, workers: int) -> int:
        """Submit ``slurm_preemptible.sh`` for this run directory and return the job's id."""
        script = [CLUSTER / "slurm_preemptible.sh", workers, self.options.workers]
        options = ["--cpus-per-task=1", *shlex.split(self.options.head)]
        environment = self._environment() | {"GENRETUNE_WORKER_OPTIONS": self.options.sbatch}
        return self.slurm.submit(*options, *script, *self._sweep(run), **environment)

    def _sweep(self, run: Path) -> list[str | Path]:
        words = ["trial.device=cpu", f"trial.epochs={self.options.epochs}"]
        return ["space.yaml", "corpus", run.relative_to(self.slurm.work), *words]

    def _environment(self) -> dict[str, str]:
        work, python = self.slurm.work, Path(sys.executable).parent
        activate = os.environ.get("GENRETUNE_ACTIVATE", f"PATH={shlex.quote(str(python))}:$PATH")
        # an empty home, as on a fresh account
        home = {"HOME": str(work / "home"), "GENRETUNE_CACHE": str(work / "cache")}
        return {**home, "GENRETUNE_ACTIVATE": activate}

    def until_reports(self, run: Path, more: int) -> None:
        """Wait until the journal has that many more epochs than now."""
        wanted = _reports(run) + more
        self.slurm.until(f"{wanted} epochs in {run.name}", lambda: _reports(run) >= wanted)

    def ends(self, job: int, name: str = "COMPLETED", code: int = 0) -> State:
        """Wait for a job's end and return its state, which must be this one."""
        state = self.slurm.end_of(job)
        if (state.name, state.code) != (name, code):
            raise Unexpected(
                f"job {job}: must end as {name} {code}, got {state.name} {state.code}\n"
                f"{self.slurm.output(job)[-3000:]}"
            )
        return state

    def compare(self, run: Path) -> list[str]:
        """Return what differs from the undisturbed sweep, and what stayed behind."""
        journal = (run / "journal.jsonl").read_text().splitlines()
        found = differences(self.leaderboard, _rows(run), [json.loads(line) for line in journal])
        left = [path.name for path in run.parent.glob(f"{run.name}.*")]
        return found + [f"{name} stays behind" for name in left]


def undisturbed(soak: Soak) -> tuple[str, list[str]]:
    """Run the sweep to its end; meanwhile another job on its run directory must be refused."""
    run, began = soak.run("undisturbed"), time.monotonic()
    job = soak.launch(run)
    soak.until_reports(run, 1)
    leaks = int(soak.slurm.run_on_node(job, sys.executable, LEAKS))
    second = soak.launch(run, "--nodes=1")
    soak.ends(second, "FAILED", 2)
    if f"in use by job {job}" not in soak.slurm.output(second):
        raise Unexpected(f"job {second}: must name job {job}, got {soak.slurm.output(second)}")
    soak.ends(job)
    soak.leaderboard, soak.seconds = _rows(run), time.monotonic() - began
    found = soak.compare(run)
    if leaks:
        found.append(f"{leaks} processes show the token on their command line")
    if any((soak.slurm.work / "home" / ".ray").glob("*")):
        found.append("the home folder got a token")
    return "COMPLETED 0; a second job FAILED 2", found


def time_limit(soak: Soak) -> tuple[str, list[str]]:
    """Let Slurm signal the time limit; the job must requeue itself before it, and resume."""
    run, options = soak.run("time-limit"), soak.options
    # Slurm signals up to a minute earlier, but each start should get beyond the start of Ray
    lead = options.lead or max(30, round(60 * options.limit - 0.8 * soak.seconds))
    job = soak.launch(run, f"--time={options.limit}", f"--signal=B:USR1@{lead}")
    state = soak.ends(job)
    if not state.restarts:
        raise Unexpected(f"job {job}: must reach its limit, got its end (more --epochs)")
    return f"COMPLETED 0 after {state.restarts} requeue(s)", soak.compare(run)


def cancel(soak: Soak) -> tuple[str, list[str]]:
    """Cancel the job and submit it again at once."""
    run = soak.run("cancel")
    first = soak.launch(run)
    soak.until_reports(run, 10)
    soak.slurm.cancel(first)
    second = soak.launch(run)
    soak.ends(second)
    state = soak.slurm.state(first)
    return f"{state.name}, then COMPLETED 0", soak.compare(run)


def no_ray(soak: Soak) -> tuple[str, list[str]]:
    """Give the job a ``ray`` that fails; the job must fail, too."""
    run, programs = soak.run("no-ray"), soak.slurm.work / "no-ray"
    programs.mkdir()
    (programs / "ray").write_text("#!/bin/sh\nexit 1\n")
    (programs / "ray").chmod(0o755)
    (programs / "genretune").symlink_to("ray")
    job = soak.launch(run, GENRETUNE_ACTIVATE=f"PATH={shlex.quote(str(programs))}:$PATH")
    soak.ends(job, "FAILED", 1)
    return "FAILED 1", [f"{path.name} stays behind" for path in run.parent.glob("no-ray*")]


def shared_node(soak: Soak) -> tuple[str, list[str]]:
    """Run two jobs on one node at the same time."""
    runs = soak.run("shared-1"), soak.run("shared-2")
    first = soak.launch(runs[0], "--nodes=1")
    soak.slurm.until("a node", lambda: soak.slurm.state(first).name == "RUNNING")
    node = soak.slurm.state(first).nodes
    second = soak.launch(runs[1], "--nodes=1", f"--nodelist={node}")
    soak.until_reports(runs[1], 1)
    if soak.slurm.state(first).name != "RUNNING":
        raise Unexpected(f"two jobs must run on {node} at once, got one after the other")
    soak.ends(first)
    soak.ends(second)
    return "both COMPLETED 0", soak.compare(runs[0]) + soak.compare(runs[1])


def preempted_workers(soak: Soak) -> tuple[str, list[str]]:
    """Preempt one worker, then the other; the sweep goes on, and needs one to come back."""
    run, slurm = soak.run("preempted"), soak.slurm
    head = soak.launch_head(run, workers=2)
    name = f"genretune-worker-{head}"
    soak.until_reports(run, 5)
    tasks = slurm.tasks(name)
    slurm.until("two workers", lambda: all(slurm.state(t).name == "RUNNING" for t in tasks))
    for task in tasks:
        slurm.preempt(task, soak.options.preempting)
        if task != tasks[-1]:
            soak.until_reports(run, 5)
    soak.ends(head)
    restarts = [slurm.state(task).restarts for task in tasks]
    slurm.until("no worker", lambda: not slurm.tasks(name))
    lost = (run / "journal.jsonl").read_text().count('"event":"lost"')
    found = soak.compare(run)
    if min(restarts) == 0:
        found.append(f"each worker must be requeued, got {restarts} times")
    return f"COMPLETED 0; workers requeued {restarts}, {lost} segments lost", found


def cancelled_head(soak: Soak) -> tuple[str, list[str]]:
    """Cancel a head while one of its workers waits for a node, and submit it again at once."""
    run, slurm = soak.run("cancelled-head"), soak.slurm
    first = soak.launch_head(run, workers=3)
    soak.until_reports(run, 10)
    slurm.cancel(first)
    second = soak.launch_head(run, workers=2)
    slurm.until("no worker", lambda: not slurm.tasks(f"genretune-worker-{first}"))
    soak.ends(second)
    slurm.until("no worker", lambda: not slurm.tasks(f"genretune-worker-{second}"))
    return f"{slurm.state(first).name}, then COMPLETED 0; no worker left", soak.compare(run)


def _rows(run: Path) -> list[dict[str, Any]]:
    from genretune.tune.run.results import as_json, read_rows
    from genretune.tune.storage.run_dir import RunDir

    return as_json(read_rows(RunDir(run)))


def _reports(run: Path) -> int:
    try:
        return (run / "journal.jsonl").read_text().count('"event":"report"')
    except OSError:
        return 0


SCENARIOS: dict[str, Callable[[Soak], tuple[str, list[str]]]] = {
    "undisturbed": undisturbed,
    "no-ray": no_ray,
    "cancel": cancel,
    "shared-node": shared_node,
    "time-limit": time_limit,
    "cancelled-head": cancelled_head,
    "preempted-workers": preempted_workers,
}
PREEMPTIBLE = {"cancelled-head", "preempted-workers"}
