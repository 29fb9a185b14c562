"""Each sampler ends with the same leaderboard on one worker and on four, killed and extended."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from genretune.scripts.cli import run as command
from genretune.tune.samplers.random_search import draw
from genretune.tune.space.load import load_space
from tests.integration.driver import Driver

pytestmark = [pytest.mark.integration, pytest.mark.long, pytest.mark.timeout(900)]

Genretune = Callable[..., subprocess.CompletedProcess[str]]
Rows = Callable[[Path], list[dict[str, Any]]]

SPACE = """\
version: 1
name: tiny
seed: 11
trials: 7
metric: {name: val_loss, mode: min}
sampler: SAMPLER
early_terminate: {type: asha, grace_period: 1, reduction_factor: 2}
keep: best
data:
  split: {name: stratified, folds: 3, fold: 1}
  window: {seconds: 0.5}
trial:
  device: cpu
  epochs: 3
  batch_size: 16
  model: {name: cnn, filters: [4, 6], dropout: 0.25, pool: gap}
  feature: {name: melspec, n_mels: 16, n_fft: 512}
parameters:
  optimizer.lr: LR
  model.reduction: {values: [null, 2]}
  lr_scheduler:
    choice:
      - {name: null}
      - {name: LinearLR, end_factor: {values: [0.01, 0.5]}}
"""
RANGE = "{distribution: loguniform, min: 1.0e-3, max: 3.0e-2}"
SAMPLERS = {
    "random": ("{type: random}", RANGE),
    "grid": ("{type: grid, order: shuffled}", "{values: [0.001, 0.003, 0.01, 0.03]}"),
    "parzen": ("{type: parzen, lag: 4, n_startup: 4}", RANGE),
    "qmc": ("{type: qmc}", RANGE),
    "tpe": ("{type: tpe, lag: 4, n_startup: 3}", RANGE),
}


@pytest.mark.parametrize("name", SAMPLERS)
def test_one_worker_undisturbed_and_four_killed_and_extended_end_alike(
    name: str, corpus: Path, tmp_path: Path, genretune: Genretune, leaderboard_of: Rows
) -> None:
    sampler, rate = SAMPLERS[name]
    space = tmp_path / "tiny.yaml"
    space.write_text(SPACE.replace("SAMPLER", sampler).replace("LR", rate, 1))
    one, four = tmp_path / "one", tmp_path / "four"
    search = ("search", space, "--data", corpus, "--out")
    workers = ("--concurrency", 4, "--resources", "cpu=0.5")
    done = genretune(*search, one, "--trials", 24, "--concurrency", 1)
    assert done.returncode == 0, done.stderr

    driver = Driver(four, *map(str, (*search, four, "--trials", 12, *workers)))
    driver.until("report", 8)
    driver.process.kill()
    driver.wait()
    for more in ((), ("--trials", "+12")):
        done = genretune("resume", four, *workers, *more)
        assert done.returncode == 0, done.stderr

    rows = leaderboard_of(four)
    assert rows == leaderboard_of(one)
    assert sorted(row["trial"] for row in rows) == list(range(24))
    assert {row["status"] for row in rows} == {"completed", "stopped"}
    for run in (one, four):
        assert command(["results", str(run), "--audit"]) == 0
    loaded = load_space(space)
    by_chance = [row["parameters"] == draw(loaded, row["trial"], 0) for row in rows]
    assert all(by_chance) == (name == "random"), "chosen by the sampler itself"
    for row in rows:  # as the space's keep rule says
        left = (four / f"trials/{row['trial']:05d}/checkpoints").iterdir()
        best = ["best.safetensors"] if row["status"] == "completed" else []
        assert sorted(path.name for path in left) == best
