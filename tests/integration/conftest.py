"""A small sweep that integration tests run, kill and compare."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SPACE = """\
version: 1
name: tiny
seed: 3
trials: 8
metric: {name: val_loss, mode: min}
sampler: {type: random}
early_terminate: {type: asha, grace_period: 1, reduction_factor: 2}
data:
  split: {name: stratified, folds: 3, fold: 1}
  window: {seconds: 0.5}
trial:
  device: cpu
  epochs: 5
  batch_size: 16
  model: {name: cnn, filters: [4, 6, 8], dropout: 0.25, pool: gap}
  feature: {name: melspec, n_mels: 16, n_fft: 512}
parameters:
  optimizer.lr: {distribution: loguniform, min: 1.0e-3, max: 3.0e-2}
  model.reduction: {values: [null, 2]}
  lr_scheduler:
    choice:
      - {name: null}
      - {name: LinearLR, end_factor: {distribution: uniform, min: 0.01, max: 0.5}}
"""

SECRETS = {
    "AWS_SECRET_ACCESS_KEY": "sentinel-aws",
    "HF_TOKEN": "sentinel-hf",
    "WANDB_API_KEY": "sentinel-wandb",
}
"""Environment variables of the undisturbed sweep, which must not reach its files."""

Genretune = Callable[..., subprocess.CompletedProcess[str]]


def leaderboard(run: Path) -> list[dict[str, Any]]:
    """Return the leaderboard of a run directory, including digests."""
    done = subprocess.run(
        [sys.executable, "-m", "genretune.scripts.cli", "results", str(run), "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows


def events(run: Path) -> list[dict[str, Any]]:
    """Return the journal of a run directory."""
    lines = (run / "journal.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture(scope="session")
def space(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("space") / "tiny.yaml"
    path.write_text(SPACE)
    return path


@pytest.fixture(scope="session")
def finished(
    space: Path, corpus: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """An undisturbed sweep on two workers."""
    run = tmp_path_factory.mktemp("runs") / "finished"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "genretune.scripts.cli", "search", str(space)),
            *("--data", str(corpus), "--out", str(run), "-W", "2"),
        ],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | SECRETS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "sentinel" not in done.stdout + done.stderr
    return run


@pytest.fixture(scope="session")
def leaderboard_of() -> Callable[[Path], list[dict[str, Any]]]:
    return leaderboard


@pytest.fixture(scope="session")
def events_of() -> Callable[[Path], list[dict[str, Any]]]:
    return events
