"""Commands of genretune on the GPUs of this machine, for the soak test of sweeps."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import psutil

from genretune.data.synthetic.synth import write_corpus
from genretune.scripts.soaks.gpu.processes import Context
from genretune.scripts.soaks.kill import differences
from genretune.tune.reproducibility.determinism_env import TF32_OVERRIDES
from genretune.tune.run.results import as_json, read_rows
from genretune.tune.storage.run_dir import RunDir

SPACE = """\
version: 1
name: soak-gpu
seed: 11
trials: 8
metric: {{name: val_loss, mode: min}}
sampler: {{type: random}}
early_terminate: {{type: asha, grace_period: 2, reduction_factor: 2}}
data: {{split: {{name: stratified, folds: 3, fold: 1}}, window: {{seconds: {seconds}}}}}
trial:
  device: {device}
  epochs: {epochs}
  batch_size: 16
  micro_batch_size: auto
  eval_batch_size: auto
  model: {model}
  feature: {{name: melspec, n_mels: 32, n_fft: 512}}
  augment: {{noise: {{}}, specaugment: {{}}}}
parameters:
  optimizer.lr: {{distribution: loguniform, min: 1.0e-3, max: 3.0e-2}}
  precision: {{values: {precisions}}}
  lr_scheduler:
    choice:
      - {{name: null}}
      - {{name: LinearLR, end_factor: {{distribution: uniform, min: 0.01, max: 0.5}}}}
"""
SIZES = {
    "full": {"seconds": 3.0, "epochs": 8, "model": "{name: cnn, reduction: 8, pool: gap}"},
    "tiny": {
        "seconds": 0.5,
        "epochs": 5,
        "model": "{name: cnn, filters: [4, 6, 8], reduction: 2, dropout: 0.25, pool: gap}",
    },
}
CLIP = {"full": 9.0, "tiny": 1.5}  # s
COMMAND_SECONDS = 300.0
_POLL = 0.05  # s


class Unexpected(Exception):
    """A command or a worker did something else than it should."""


class Driver:
    """A search or a resume in its own process."""

    def __init__(self, run: Path, arguments: Sequence[object]) -> None:
        self.run, self.log = run, run.with_suffix(".log")
        command = [sys.executable, "-m", "genretune.scripts.cli", *map(str, arguments)]
        with self.log.open("a") as log:
            self.process = psutil.Popen(
                command, stdout=log, stderr=subprocess.STDOUT, env=_environment(run.parent)
            )

    def end(self) -> int:
        """SIGKILL the driver, if it has not ended; return its exit code."""
        with suppress(psutil.NoSuchProcess):
            self.process.kill()
        return int(self.process.wait())

    def events(self, kind: str) -> int:
        """Return how many events of a kind the journal holds."""
        try:
            return (self.run / "journal.jsonl").read_text().count(f'"event":"{kind}"')
        except OSError:
            return 0

    def worker(self) -> psutil.Process | None:
        """Return a process in which a segment runs now, or None."""
        with suppress(psutil.Error):
            for process in self.process.children(recursive=True):
                with suppress(psutil.Error):
                    if (process.cmdline() or [""])[0].startswith("ray::ImplicitFunc"):
                        return process
        return None


class Work:
    """The folder of a part: corpus, space, run directories."""

    def __init__(self, context: Context, folder: Path, where: Sequence[str]) -> None:
        self._context, self._folder = context, folder
        self._drivers: list[Driver] = []
        self._where = ["--address", "local", "--checkpoint-every", "1", *where]
        self.data = ["--data", str(folder / "corpus")]
        write_corpus(folder / "corpus", clips=3, seconds=CLIP[context.size], seed=5)
        precisions = "[fp32, tf32, bf16]" if context.device == "cuda" else "[fp32, bf16]"
        given = {"device": context.device, "precisions": precisions, **SIZES[context.size]}
        (folder / "space.yaml").write_text(SPACE.format(**given))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Interrupt the drivers that still run, so that they end their Ray."""
        for driver in self._drivers:
            with suppress(psutil.Error):
                driver.process.terminate()
                driver.process.wait(timeout=30)
            driver.end()

    def start(self, name: str, *, resume: bool = False, more: Sequence[str] = ()) -> Driver:
        """Start a search, or resume it."""
        run = self._folder / name
        search = ["search", self._folder / "space.yaml", *self.data, "--out", run]
        driver = Driver(run, [*(["resume", run] if resume else search), *self._where, *more])
        self._drivers.append(driver)
        return driver

    def finish(self, driver: Driver) -> Driver:
        """Wait for a driver's end and return it.

        Raises:
            Unexpected: it fails.
        """
        self.until("the end of the sweep", lambda: driver.process.poll() is not None)
        if driver.process.returncode != 0:
            raise Unexpected(driver.log.read_text()[-400:])
        return driver

    def until(self, what: str, reached: Callable[[], object], driver: Driver | None = None) -> None:
        """Wait until ``reached`` returns something true.

        Raises:
            Unexpected: the driver ends before, or the part's time is over.
        """
        while not reached():
            if self._context.late:
                raise Unexpected(f"the time is over before {what}")
            if driver is not None and driver.process.poll() is not None:
                raise Unexpected(f"no {what}: {driver.log.read_text()[-400:]}")
            time.sleep(_POLL)

    def command(self, *arguments: object) -> str:
        """Run a command and return its output, whatever its exit code."""
        command = [sys.executable, "-m", "genretune.scripts.cli", *map(str, arguments)]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=COMMAND_SECONDS,
            env=_environment(self._folder),
        )
        if not done.stdout.strip() and done.returncode:
            raise Unexpected(f"{arguments[0]}: {done.stderr.strip()[-400:]}")
        return done.stdout

    def busy_worker(self, driver: Driver) -> psutil.Process:
        """Wait for a further epoch; return a worker process that trains."""
        known = driver.events("report")
        self.until("a further epoch", lambda: driver.events("report") > known, driver)
        self.until("a worker", driver.worker, driver)
        worker = driver.worker()
        if worker is None:
            raise Unexpected("no worker trains")
        return worker

    def is_gone(self, process: psutil.Process, seconds: float = 30.0) -> bool:
        """Return whether a process ends in time; one that waits for its parent has ended."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with suppress(psutil.NoSuchProcess):
                if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                    time.sleep(_POLL)
                    continue
            return True
        return False

    def differences(self, undisturbed: Driver, disturbed: Driver) -> list[str]:
        """Return what differs between two finished sweeps."""
        lines = (disturbed.run / "journal.jsonl").read_text().splitlines()
        events = [json.loads(line) for line in lines]
        return differences(rows(undisturbed.run), rows(disturbed.run), events)


def rows(run: Path) -> list[dict[str, Any]]:
    """Return the leaderboard of a run directory."""
    return as_json(read_rows(RunDir(run)))


def _environment(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in TF32_OVERRIDES}
    return {**kept, "GENRETUNE_CACHE": str(folder / "cache")}
