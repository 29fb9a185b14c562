"""``genretune train`` as a user calls it."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from genretune.tune.trial.checkpoint_file import load_newest_checkpoint

pytestmark = pytest.mark.integration

Genretune = Callable[..., subprocess.CompletedProcess[str]]
TRIAL = """\
epochs: 2
batch_size: 16
micro_batch_size: auto
data: {split: {folds: 3}, window: {seconds: 0.5}}
feature: {name: melspec, n_mels: 16, n_fft: 512}
model: {name: cnn, filters: [4, 6, 8], reduction: 2, pool: gap}
"""


@pytest.fixture
def trial(tmp_path: Path) -> Path:
    path = tmp_path / "trial.yaml"
    path.write_text(TRIAL)
    return path


def test_every_fold_then_a_table(
    genretune: Genretune, trial: Path, corpus: Path, tmp_path: Path
) -> None:
    done = genretune("train", trial, "optimizer.lr=0.01", "--data", corpus, "--fold", "all")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert sum(line.startswith("epoch ") for line in lines) == 6
    rows = {line.split()[0]: line.split()[1:] for line in lines[-7:]}
    accuracies = [float(rows[str(fold)][3]) for fold in (1, 2, 3)]
    assert float(rows["mean"][2]) == pytest.approx(sum(accuracies) / 3, abs=1e-4)
    for fold in (1, 2, 3):
        config = json.loads((tmp_path / f"runs/trial/fold-{fold}/config.json").read_text())
        assert config["data"]["split"]["fold"] == fold and config["optimizer"]["lr"] == 0.01


def test_any_config_is_trained_again_and_predicts(
    genretune: Genretune, trial: Path, corpus: Path, tmp_path: Path
) -> None:
    first = genretune("train", trial, "--data", corpus, "--json", "--keep-every", "1")
    assert first.returncode == 0, first.stderr
    facts: dict[str, Any] = json.loads(first.stdout)
    assert facts["status"] == "completed" and len(facts["history"]) == 2
    config = tmp_path / "runs/trial/config.json"
    again = genretune("train", config, "--out", "again", "--json")
    weights = [
        [r["weights_sha256"] for r in f["history"]] for f in (facts, json.loads(again.stdout))
    ]
    assert weights[0] == weights[1]
    found = genretune("predict", "again", corpus / "rock", "--json")
    assert found.returncode == 0, found.stderr
    predictions = json.loads(found.stdout)
    assert [Path(one["file"]).name for one in predictions] == [
        f"rock.0000{k}.wav" for k in range(3)
    ]
    assert all(len(one["probabilities"]) == 10 for one in predictions)


def test_ctrl_c_prints_one_line_and_the_training_can_continue(
    trial: Path, corpus: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "genretune.scripts.cli", "train", str(trial), "epochs=500"]
    process = subprocess.Popen(
        [*command, "--data", str(corpus)],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("epoch 1: loss") and "\x1b" not in line
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert errors == (
        "genretune: interrupted: run the same command to resume after the last complete epoch\n"
    )
    found = load_newest_checkpoint(tmp_path / "runs/trial/checkpoints")
    result = json.loads((tmp_path / "runs/trial/result.json").read_text())
    assert found is not None and found.epoch >= 1 and result["status"] == "running"
    assert not [*(tmp_path / "runs").rglob(".*.tmp")]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["model.name=cn"], "did you mean 'cnn'"),
        (["epoch=3"], "epoch: unknown key (did you mean 'epochs'?)"),
        (["determinism=stict"], "determinism: must be"),
        (["--fold", "7"], "fold must be from 1 to folds (3), got 7"),
    ],
)
def test_mistakes_are_one_line_and_write_nothing(
    genretune: Genretune, trial: Path, corpus: Path, tmp_path: Path, arguments: list[str], said: str
) -> None:
    done = genretune("train", trial, "--data", corpus, *arguments)
    assert done.returncode == 2
    assert said in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_missing_files_are_named(genretune: Genretune, trial: Path, tmp_path: Path) -> None:
    for arguments in (["nothing.yaml"], [str(trial), "--data", "nowhere"]):
        done = genretune("train", *arguments)
        assert done.returncode == 2 and done.stderr.count("\n") == 1
        assert "no such" in done.stderr.lower()
    done = genretune("predict", "runs/none", "song.wav")
    assert done.returncode == 2 and "must be a run directory" in done.stderr
