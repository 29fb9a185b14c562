"""Sweeps killed at random moments until they end, compared with sweeps that nothing disturbed.

scripts/soak kill 20            # 20 sweeps on a cluster of three nodes on this machine
scripts/soak kill 20 --first 20 # the next part, with other moments
scripts/soak kill 1 --most 3    # the short form

Each kill is a SIGKILL: of the driver, of a worker, or of a whole node, which is then replaced. The
moments come from a seed; where they fall in the work differs from run to run, the result must not.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from genretune.scripts.soaks.local_nodes import LocalNodes, local_nodes

NODES = 3
SEEDS = 4  # sweeps that nothing disturbs
SPACE = """\
version: 1
name: soak
seed: {seed}
trials: 16
metric: {{name: val_loss, mode: min}}
sampler: {{type: tpe, lag: 4, n_startup: 4}}
early_terminate: {{type: asha, grace_period: 1, reduction_factor: 2}}
data:
  split: {{name: stratified, folds: 3, fold: 1}}
  window: {{seconds: 0.5}}
trial:
  epochs: 6
  batch_size: 16
  model: {{name: cnn, filters: [4, 6, 8], dropout: 0.25, pool: gap}}
  feature: {{name: melspec, n_mels: 16, n_fft: 512}}
parameters:
  optimizer.lr: {{distribution: loguniform, min: 1.0e-3, max: 3.0e-2}}
  optimizer.weight_decay: {{distribution: loguniform, min: 1.0e-6, max: 1.0e-2, zero: 0.2}}
  model.reduction: {{values: [null, 2]}}
  lr_scheduler:
    choice:
      - {{name: null}}
      - {{name: LinearLR, end_factor: {{distribution: uniform, min: 0.01, max: 0.5}}}}
"""
_POLL = 0.02  # s
_LONGEST = 600.0  # s a sweep may take
_FACTS = ("trial", "status", "epochs", "value", "parameters", "seed", "weights_sha256", "why")


class Unfinished(Exception):
    """A disturbed sweep ended otherwise than by coming to its end."""


@dataclass
class Report:
    """What happened to the disturbed sweeps."""

    sweeps: int = 0
    differences: list[str] = field(default_factory=list)
    kills: Counter[str] = field(default_factory=Counter)
    drivers: int = 0
    side_by_side: int = 0
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        return {
            "sweeps": self.sweeps,
            "differences": self.differences,
            "kills": dict(self.kills),
            "drivers": self.drivers,
            "worker_processes_side_by_side": self.side_by_side,
            "seconds": round(self.seconds, 1),
        }


def main(argv: Sequence[str] | None = None) -> int:
    """Run the soak; 0 if no sweep differs, 1 with the differences if one does."""
    parser = argparse.ArgumentParser(prog="scripts/soak kill", description=__doc__)
    parser.add_argument("sweeps", nargs="?", type=int, default=1, metavar="N")
    parser.add_argument("--first", type=int, default=0, help="number of the first sweep")
    parser.add_argument("--most", type=int, default=1000, help="kills a sweep, at most")
    parser.add_argument("--json", action="store_true", help="print facts as JSON")
    parser.add_argument("--work", type=Path, help="a new folder to keep the run directories in")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="genretune-soak-") as scratch:
        work = options.work or Path(scratch)
        work.mkdir(parents=True, exist_ok=True)
        numbers = range(options.first, options.first + options.sweeps)
        report = soak(numbers, options.most, work, quiet=options.json)
    if options.json:
        print(json.dumps(report.as_json(), indent=1))
    else:
        _print(report)
    return 1 if report.differences else 0


def soak(numbers: Sequence[int], most: int, work: Path, *, quiet: bool = False) -> Report:
    """Disturb the sweeps with these numbers and compare each with its undisturbed twin."""
    os.environ.setdefault("GENRETUNE_CACHE", str(work / "cache"))
    corpus = _corpus(work)
    report = Report()
    calm: dict[int, list[dict[str, Any]]] = {}
    with local_nodes(NODES) as bed:
        for number in numbers:
            began = time.monotonic()
            seed = number % SEEDS
            if seed not in calm:
                calm[seed] = _calm(bed, work, corpus, seed)
            run = work / f"disturbed-{number}"
            search = ["search", str(_space(work, seed)), "--data", str(corpus), "--out", str(run)]
            try:
                _Disturbed(bed, run, random.Random(number), most, report).go(search)
                found = differences(calm[seed], _rows(run), _events(run))
            except Unfinished as error:
                found = [str(error)]
            report.sweeps += 1
            report.differences += [f"sweep {number}: {line}" for line in found]
            report.seconds += time.monotonic() - began
            if not quiet:
                _print(report)
    return report


def differences(
    calm: Sequence[Mapping[str, Any]],
    disturbed: Sequence[Mapping[str, Any]],
    events: Sequence[Mapping[str, Any]],
) -> list[str]:
    """Where two leaderboards differ, and what the journal says was done twice."""
    found = []
    if len(calm) != len(disturbed):
        found.append(f"{len(calm)} trials undisturbed, {len(disturbed)} disturbed")
    for rank, (one, other) in enumerate(zip(calm, disturbed, strict=False), start=1):
        found += [
            f"rank {rank}: {key} {one[key]!r} undisturbed, {other[key]!r} disturbed"
            for key in _FACTS
            if one[key] != other[key]
        ]
    for kind in ("created", "report", "ended"):
        told = Counter((e["trial"], e.get("epoch")) for e in events if e["event"] == kind)
        found += [f"{kind} {key} is {n} times in the journal" for key, n in told.items() if n > 1]
    return found


class _Disturbed:
    """One sweep and whoever kills it."""

    def __init__(
        self, bed: LocalNodes, run: Path, moments: random.Random, most: int, report: Report
    ) -> None:
        self._bed, self._run, self._random, self._report = bed, run, moments, report
        self._left = most
        self._end = time.monotonic() + _LONGEST

    def go(self, arguments: list[str]) -> None:
        """Begin it, kill and resume it until it ends.

        Raises:
            Unfinished: it failed in a way that no kill explains, or takes for ever.
        """
        while True:
            self._report.drivers += 1
            driver = _start(self._bed, arguments, self._run.with_suffix(".log"))
            try:
                killed = self._disturb(driver)
            except Unfinished:
                driver.kill()
                raise
            if not killed:
                code = driver.wait()
                if code == 0:
                    return
                if code not in (3, 75):
                    log = self._run.with_suffix(".log").read_text()
                    raise Unfinished(f"{self._run.name}: exit code {code}\n{log[-3000:]}")
            began = (self._run / "journal.jsonl").exists()
            if began or (self._run / "sweep.json").exists():
                arguments = ["resume", str(self._run)]

    def _disturb(self, driver: psutil.Popen) -> bool:
        """Kill things while a driver runs; whether the driver itself was killed."""
        while True:
            impatient = self._random.random() < 0.2
            known = _reports(self._run)
            moment = time.monotonic() + self._random.uniform(0.0, 10.0 if impatient else 1.5)
            while driver.poll() is None:
                progressed = impatient or _reports(self._run) > known
                if not progressed:
                    moment = max(moment, time.monotonic() + self._random.uniform(0.0, 1.0))
                elif time.monotonic() >= moment and self._left > 0:
                    break
                self._look()
                time.sleep(_POLL)
            if driver.poll() is not None:
                return False
            self._left -= 1
            if self._kill(driver):
                return True

    def _look(self) -> None:
        if self._random.random() < 0.05:
            busy = len(self._bed.workers())
            self._report.side_by_side = max(self._report.side_by_side, busy)
        if time.monotonic() > self._end:
            raise Unfinished(f"{self._run.name}: not at its end after {_LONGEST:g} s")

    def _kill(self, driver: psutil.Popen) -> bool:
        """SIGKILL something; whether it was the driver."""
        what = self._random.choice(["driver", "driver", "worker", "worker", "node"])
        workers = self._bed.workers()
        self._report.side_by_side = max(self._report.side_by_side, len(workers))
        if what == "worker" and not workers:
            what = "driver"
        self._report.kills[what] += 1
        if what == "worker":
            self._random.choice(workers).kill()
        elif what == "node":
            self._bed.kill_node(self._random.randrange(len(self._bed.nodes)))
            self._bed.add_node()
        else:
            driver.kill()
            driver.wait()
        return what == "driver"


def _calm(bed: LocalNodes, work: Path, corpus: Path, seed: int) -> list[dict[str, Any]]:
    run = work / f"calm-{seed}"
    space = str(_space(work, seed))
    arguments = ["search", space, "--data", str(corpus), "--out", str(run)]
    driver = _start(bed, arguments, run.with_suffix(".log"))
    if driver.wait() != 0:
        raise RuntimeError(run.with_suffix(".log").read_text()[-3000:])
    return _rows(run)


def _start(bed: LocalNodes, arguments: Sequence[str], log: Path) -> psutil.Popen:
    command = [sys.executable, "-m", "genretune.scripts.cli", *arguments]
    command += ["--address", bed.address, "--concurrency", str(NODES)]
    with open(log, "a") as file:
        return psutil.Popen(command, stdout=file, stderr=subprocess.STDOUT)


def _rows(run: Path) -> list[dict[str, Any]]:
    from genretune.tune.run.results import as_json, read_rows
    from genretune.tune.storage.run_dir import RunDir

    return as_json(read_rows(RunDir(run)))


def _events(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "journal.jsonl").read_text().splitlines()]


def _reports(run: Path) -> int:
    try:
        return (run / "journal.jsonl").read_text().count('"event":"report"')
    except OSError:
        return 0


def _corpus(work: Path) -> Path:
    from genretune.data.synth import write_corpus

    folder = work / "corpus"
    if not folder.exists():
        write_corpus(folder, clips=3, seconds=1.5, seed=5)
    return folder


def _space(work: Path, seed: int) -> Path:
    path = work / f"space-{seed}.yaml"
    path.write_text(SPACE.format(seed=1000 + seed))
    return path


def _print(report: Report) -> None:
    kills = ", ".join(f"{n} {what}s" for what, n in sorted(report.kills.items())) or "none"
    print(
        f"{report.sweeps} sweeps, {len(report.differences)} differences; killed: {kills}; "
        f"{report.drivers} drivers; up to {report.side_by_side} worker processes side by side; "
        f"{report.seconds:.0f} s",
        flush=True,
    )
    for line in report.differences:
        print(f"  {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
