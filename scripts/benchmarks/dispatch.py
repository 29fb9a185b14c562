"""Benchmark of the cost of dispatching a trial, against a plain Ray Tune script; trials are no-ops.

scripts/bench dispatch --json             # 50 plain trials, 50 and 500 of ours, utilisation
scripts/bench dispatch --ours 50 2000 --no-utilisation

Each measurement runs in its own process. Our side also writes its journal and each trial's
records; the plain script has Ray Tune's default loggers and starts a process per trial.
``ratios.per_trial``: plain seconds over ours; ``ratios.memory``: our driver's memory over the
plain driver's after the same number of trials.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

WORKERS = 2
SPACE = """\
version: 1
name: idle
seed: 3
trials: {trials}
metric: {{name: val_loss, mode: min}}
sampler: {{type: random}}
data: {{split: {{name: stratified, folds: 3, fold: 1}}, window: {{seconds: 0.5}}}}
trial:
  epochs: 1
  model: {{name: cnn, filters: [4, 6, 8], reduction: null, pool: gap}}
  feature: {{name: melspec, n_mels: 16, n_fft: 512}}
parameters:
  optimizer.lr: {{distribution: loguniform, min: 1.0e-3, max: 3.0e-2}}
"""


def main(argv: list[str]) -> int:
    """Print the figures as lines, or with ``--json`` as one object."""
    parser = argparse.ArgumentParser(prog="bench dispatch", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument(
        "--plain", type=int, default=50, help="number of trials of the plain script"
    )
    parser.add_argument(
        "--ours", type=int, nargs="+", default=[50, 500], help="numbers of trials of our side"
    )
    parser.add_argument("--utilisation", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument(
        "--sleepers", type=int, default=20, help="number of 20 s trials for the utilisation"
    )
    parser.add_argument("--one", nargs=2, metavar=("ROLE", "TRIALS"), help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.one is not None:
        role, trials = options.one[0], int(options.one[1])
        if Path(role).is_dir():
            _create_run(Path(role), trials)
        else:
            print(json.dumps(_measure_role(role, trials)))
        return 0
    facts = measure(options.plain, sorted(options.ours))
    if options.utilisation:
        facts["ours"]["utilisation"] = _in_subprocess("sleeping", options.sleepers)["utilisation"]
    if options.json:
        print(json.dumps(facts, indent=1))
    else:
        for side in ("plain", "ours", "ratios"):
            print(
                side, *(f"{name}: {value:.4g}" for name, value in facts[side].items()), sep="\n  "
            )
    return 0


def measure(plain: int, ours: Sequence[int]) -> dict[str, Any]:
    """Measure both sides; memory is compared at the first number of trials in ``ours``."""
    plain_run = _in_subprocess("plain", plain)
    runs = {trials: _in_subprocess("idle", trials) for trials in ours}
    first, last = runs[ours[0]], runs[ours[-1]]
    our_facts = {
        "per_trial": last["per_trial"],
        "memory_mb": first["memory_mb"],
        "files_a_trial": last["files"] / ours[-1],
        "resume_of_finished_s": last["resume_s"],
    }
    our_facts |= {f"per_trial_{trials}": run["per_trial"] for trials, run in runs.items()}
    our_facts |= {f"memory_mb_{trials}": run["memory_mb"] for trials, run in runs.items()}
    if len(ours) > 1:
        more = ours[-1] - ours[0]
        growth = (last["memory_mb"] - first["memory_mb"]) * 1000 / more
        our_facts["growth_kb_a_segment"] = growth
    return {
        "name": "dispatch",
        "ratios": {
            "per_trial": plain_run["per_trial"] / our_facts["per_trial"],
            "memory": our_facts["memory_mb"] / plain_run["memory_mb"],
        },
        "ours": our_facts,
        "plain": {
            "per_trial": plain_run["per_trial"],
            "memory_mb": plain_run["memory_mb"],
            "files_a_trial": plain_run["files"] / plain,
        },
    }


def _in_subprocess(role: str, trials: int) -> dict[str, float]:
    """Run one measurement in its own process."""
    command = [sys.executable, "-m", "genretune.scripts.benchmarks.dispatch"]
    done = subprocess.run(
        [*command, "--one", role, str(trials)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(done.stderr[-2000:])
    facts: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return facts


def _measure_role(role: str, trials: int) -> dict[str, float]:
    """Measure ``plain``, ``idle`` (ours) or ``sleeping`` (ours, utilisation) in this process."""
    from genretune.scripts.benchmarks.idle_trainables import plain_script

    if role == "plain":
        with tempfile.TemporaryDirectory(prefix="genretune-bench-") as home:
            os.environ["HOME"] = home  # Ray Tune's default storage is ~/ray_results
            return plain_script(trials, WORKERS)
    return _measure_ours(trials, sleeping=role == "sleeping")


def _measure_ours(trials: int, *, sleeping: bool) -> dict[str, float]:
    from genretune.scripts.benchmarks.idle_trainables import (
        idle_segment,
        memory_mb,
        sleeping_segment,
    )
    from genretune.tune.dispatch import driver
    from genretune.tune.dispatch.driver_job import job_from_json
    from genretune.tune.dispatch.signals import StopSignal
    from genretune.tune.storage.run_dir import RunDir

    with tempfile.TemporaryDirectory(prefix="genretune-bench-") as scratch:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        command = [sys.executable, "-m", "genretune.scripts.benchmarks.dispatch"]
        # in another process, since it loads torch, which a driver process never does
        created = subprocess.run(
            [*command, "--one", scratch, str(trials)], check=True, capture_output=True, text=True
        )
        job = job_from_json(created.stdout.splitlines()[-1])
        run = RunDir(Path(job.run))
        began = time.monotonic()
        trainable = sleeping_segment if sleeping else idle_segment
        hooks = driver.DriverHooks(show=lambda controller: None, trainable=trainable)
        driver.drive(run, job, stop_signal=StopSignal(), hooks=hooks)
        seconds = time.monotonic() - began
        if sleeping:
            return {"utilisation": utilisation((run.path / "starts.log").read_text())}
        facts = {"per_trial": seconds / trials, "memory_mb": memory_mb(), "seconds": seconds}
        facts["files"] = float(sum(p.is_file() for p in (run.path / "trials").rglob("*")))
        began = time.monotonic()
        resume = [sys.executable, "-m", "genretune.scripts.cli", "resume", str(run.path)]
        subprocess.run(resume, check=True, capture_output=True)
        return facts | {"resume_s": time.monotonic() - began}


def _create_run(folder: Path, trials: int) -> None:
    """Create a run directory that is ready for a driver, and print the driver's job."""
    from genretune.data.synthetic.synth import write_corpus
    from genretune.scripts.launch import driver_job
    from genretune.tune.dispatch.run_options import Resources, RunOptions
    from genretune.tune.run.sweep_setup import new_sweep
    from genretune.tune.space.load import load_space
    from genretune.tune.storage.run_dir import RunDir

    os.environ["GENRETUNE_CACHE"] = str(folder / "cache")
    write_corpus(folder / "corpus", clips=3, seconds=1.0, seed=5)
    space = folder / "idle.yaml"
    space.write_text(SPACE.format(trials=trials))
    sweep = new_sweep(load_space(space), folder / "corpus")
    run = RunDir(folder / "run")
    run.create(space.read_text(), sweep.as_json())
    options = RunOptions(concurrency=WORKERS, resources=Resources(cpu=0.5))
    print(driver_job(run, sweep, options).as_json())


def utilisation(log: str) -> float:
    """Return the share of the workers' time spent in trials, from the first start to the last."""
    spans = [tuple(map(float, line.split()[1:])) for line in log.splitlines()]
    first, last = min(start for start, _ in spans), max(start for start, _ in spans)
    busy = sum(min(end, last) - start for start, end in spans)
    return busy / (WORKERS * (last - first))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
