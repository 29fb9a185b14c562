"""Soak test: sweeps killed at random times must end like undisturbed sweeps.

scripts/soak kill 20            # 20 sweeps on a cluster of three nodes on this machine
scripts/soak kill 20 --first 20 # 20 more, with other times
scripts/soak kill 1 --most 3    # the short form

Each kill is a SIGKILL of the driver, of a worker, or of a whole node, which is then replaced. The
times come from a seed; what they interrupt differs from run to run, but the result must not. Each
driver has checkpoints written at other times, so that kills also fall between them.
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
SEEDS = 4  # number of undisturbed sweeps to compare with
SPACE = """\
version: 1
name: soak
seed: {seed}
trials: 16
metric: {{name: val_loss, mode: min}}
sampler: {{type: tpe, lag: 4, n_startup: 4}}
early_terminate: {{type: asha, grace_period: 1, reduction_factor: 2}}
data: {{split: {{name: stratified, folds: 3, fold: 1}}, window: {{seconds: 0.5}}}}
trial:
  device: cpu
  epochs: 8
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
_TIMEOUT = 600.0  # s per sweep
_COMPARED = ("trial", "status", "epochs", "value", "parameters", "seed", "weights_sha256", "why")


class Unfinished(Exception):
    """A disturbed sweep failed or did not end in time."""


@dataclass
class Report:
    """Counts over the disturbed sweeps; ``kills`` of drivers, workers and nodes."""

    sweeps: int = 0
    differences: list[str] = field(default_factory=list)
    kills: Counter[str] = field(default_factory=Counter)
    drivers: int = 0
    side_by_side: int = 0  # most worker processes seen at the same time
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        return {
            "sweeps": self.sweeps,
            "differences": self.differences,
            "kills": dict(self.kills),
            "drivers": self.drivers,
            "worker_processes_side_by_side": self.side_by_side,
            "seconds": round(self.seconds, 1),
        }


def main(argv: Sequence[str] | None = None) -> int:
    """Run the soak test; return 1 if a sweep differs, else 0."""
    parser = argparse.ArgumentParser(prog="scripts/soak kill", description=__doc__)
    parser.add_argument("sweeps", nargs="?", type=int, default=1, metavar="N", help="sweeps")
    parser.add_argument("--first", type=int, default=0, help="number of the first sweep")
    parser.add_argument("--most", type=int, default=1000, help="most kills per sweep")
    parser.add_argument("--json", action="store_true", help="print facts as JSON")
    parser.add_argument("--work", type=Path, help="new folder for the run directories")
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
    """Disturb the sweeps with these numbers, each by ``most`` kills at most, and compare them."""
    os.environ.setdefault("GENRETUNE_CACHE", str(work / "cache"))
    corpus = _corpus(work)
    report = Report()
    undisturbed: dict[int, list[dict[str, Any]]] = {}
    with local_nodes(NODES) as cluster:
        for number in numbers:
            began = time.monotonic()
            seed = number % SEEDS
            if seed not in undisturbed:
                undisturbed[seed] = _undisturbed(cluster, work, corpus, seed)
            run, rng = work / f"disturbed-{number}", random.Random(number)
            search = ["search", str(_space(work, seed)), "--data", str(corpus), "--out", str(run)]
            try:
                _Disturbed(cluster, run, rng, most, report).run_to_end(search)
                found = differences(undisturbed[seed], _rows(run), _events(run))
            except Unfinished as error:
                found = [str(error)]
            report.sweeps += 1
            report.differences += [f"sweep {number}: {line}" for line in found]
            report.seconds += time.monotonic() - began
            if not quiet:
                _print(report)
    return report


def differences(
    undisturbed: Sequence[Mapping[str, Any]],
    disturbed: Sequence[Mapping[str, Any]],
    events: Sequence[Mapping[str, Any]],
) -> list[str]:
    """Return the differences of two leaderboards, and the events that are journaled twice."""
    found = []
    if len(undisturbed) != len(disturbed):
        found.append(f"{len(undisturbed)} trials undisturbed, {len(disturbed)} disturbed")
    for rank, (one, other) in enumerate(zip(undisturbed, disturbed, strict=False), start=1):
        found += [
            f"rank {rank}: {key} {one[key]!r} undisturbed, {other[key]!r} disturbed"
            for key in _COMPARED
            if one[key] != other[key]
        ]
    for kind in ("created", "report", "ended"):
        counts = Counter((e["trial"], e.get("epoch")) for e in events if e["event"] == kind)
        found += [f"{kind} {key} is {n} times in the journal" for key, n in counts.items() if n > 1]
    return found


class _Disturbed:
    """One sweep, with its kills."""

    def __init__(
        self, cluster: LocalNodes, run: Path, rng: random.Random, most: int, report: Report
    ) -> None:
        self._cluster, self._run, self._rng, self._report = cluster, run, rng, report
        self._kills_left = most
        self._end = time.monotonic() + _TIMEOUT

    def run_to_end(self, arguments: list[str]) -> None:
        """Start the sweep, kill it and resume it until it ends.

        Raises:
            Unfinished: it failed for another reason than a kill, or did not end in time.
        """
        while True:
            self._report.drivers += 1
            # after every epoch, now and then, or at rungs and at the end alone
            saved = ["--checkpoint-every", self._rng.choice(["0", "1", "1000"])]
            driver = _start(self._cluster, [*arguments, *saved], self._run.with_suffix(".log"))
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
            # killed before sweep.json was written, it can only be searched again
            if any((self._run / name).exists() for name in ("journal.jsonl", "sweep.json")):
                arguments = ["resume", str(self._run)]

    def _disturb(self, driver: psutil.Popen) -> bool:
        """Kill processes while a driver runs; return whether the driver was killed."""
        while True:
            # mostly after a new report, so that the sweep advances; sometimes at any time
            impatient = self._rng.random() < 0.2
            known = _reports(self._run)
            moment = time.monotonic() + self._rng.uniform(0.0, 10.0 if impatient else 1.5)
            while driver.poll() is None:
                progressed = impatient or _reports(self._run) > known
                if not progressed:
                    moment = max(moment, time.monotonic() + self._rng.uniform(0.0, 1.0))
                elif time.monotonic() >= moment and self._kills_left > 0:
                    break
                self._watch()
                time.sleep(_POLL)
            if driver.poll() is not None:
                return False
            self._kills_left -= 1
            if self._kill(driver):
                return True

    def _watch(self) -> None:
        if self._rng.random() < 0.05:
            self._report.side_by_side = max(self._report.side_by_side, len(self._cluster.workers()))
        if time.monotonic() > self._end:
            raise Unfinished(f"{self._run.name}: must end within {_TIMEOUT:g} s, got no end")

    def _kill(self, driver: psutil.Popen) -> bool:
        """SIGKILL a random process or node; return whether it was the driver."""
        target = self._rng.choice(["driver", "driver", "worker", "worker", "node"])
        workers = self._cluster.workers()
        self._report.side_by_side = max(self._report.side_by_side, len(workers))
        if target == "worker" and not workers:
            target = "driver"
        self._report.kills[target] += 1
        if target == "worker":
            self._rng.choice(workers).kill()
        elif target == "node":
            self._cluster.kill_node(self._rng.randrange(len(self._cluster.nodes)))
            self._cluster.add_node()
        else:
            driver.kill()
            driver.wait()
        return target == "driver"


def _undisturbed(cluster: LocalNodes, work: Path, corpus: Path, seed: int) -> list[dict[str, Any]]:
    run = work / f"undisturbed-{seed}"
    search = ["search", str(_space(work, seed)), "--data", str(corpus), "--out", str(run)]
    driver = _start(cluster, search, run.with_suffix(".log"))
    if driver.wait() != 0:
        raise RuntimeError(run.with_suffix(".log").read_text()[-3000:])
    return _rows(run)


def _start(cluster: LocalNodes, arguments: Sequence[str], log: Path) -> psutil.Popen:
    command = [sys.executable, "-m", "genretune.scripts.cli", *arguments]
    command += ["--address", cluster.address, "--concurrency", str(NODES)]
    with open(log, "a") as file:
        return psutil.Popen(command, stdout=file, stderr=subprocess.STDOUT)


def _rows(run: Path) -> list[dict[str, Any]]:
    from genretune.tune.run.results import as_json, read_rows
    from genretune.tune.storage.run_dir import RunDir

    return as_json(read_rows(RunDir(run)))


def _events(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "journal.jsonl").read_text().splitlines()]


def _reports(run: Path) -> int:
    journal = run / "journal.jsonl"
    return journal.read_text().count('"event":"report"') if journal.exists() else 0


def _corpus(work: Path) -> Path:
    from genretune.data.synthetic.synth import write_corpus

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
