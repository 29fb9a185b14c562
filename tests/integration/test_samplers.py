"""Each sampler ends with the same leaderboard on one worker and on three."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from genretune.scripts.cli import run as command
from genretune.tune.samplers.random_search import draw
from genretune.tune.space.load import load_space

pytestmark = [pytest.mark.integration, pytest.mark.long]

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
    "tpe": ("{type: tpe, lag: 2, n_startup: 2}", RANGE),
    "grid": ("{type: grid}", "{values: [0.001, 0.01, 0.03]}"),
    "qmc": ("{type: qmc}", RANGE),
}


@pytest.mark.parametrize("name", SAMPLERS)
def test_one_worker_and_three_end_alike(
    name: str, corpus: Path, tmp_path: Path, genretune: Genretune, leaderboard_of: Rows
) -> None:
    sampler, rate = SAMPLERS[name]
    space = tmp_path / "tiny.yaml"
    space.write_text(SPACE.replace("SAMPLER", sampler).replace("LR", rate, 1))
    one, three = (tmp_path / f"run-{workers}" for workers in (1, 3))
    for run, workers, resources in ((one, 1, "cpu=1"), (three, 3, "cpu=0.5")):
        done = genretune(
            *("search", space, "--data", corpus, "--out", run),
            *("--concurrency", workers, "--resources", resources),
        )
        assert done.returncode == 0, done.stderr
        assert command(["results", str(run), "--audit"]) == 0
    rows = leaderboard_of(three)
    assert rows == leaderboard_of(one)
    assert sorted(row["trial"] for row in rows) == list(range(7))
    assert {row["status"] for row in rows} == {"completed", "stopped"}
    last = next(row for row in rows if row["trial"] == 6)
    assert last["parameters"] != draw(load_space(space), 6, 0), "chosen by the sampler itself"
    for row in rows:  # as the space's keep rule says
        left = (three / f"trials/{row['trial']:05d}/checkpoints").iterdir()
        best = ["best.safetensors"] if row["status"] == "completed" else []
        assert sorted(path.name for path in left) == best
