"""Mistakes found before a sweep starts: one line each, exit code 2, nothing written."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from genretune.data.specs import SplitSpec
from genretune.data.splits.fold_windows import split_clips
from genretune.data.store import Store
from genretune.scripts.cli import run
from genretune.tune.run.sweep_setup import new_sweep
from genretune.tune.space.load import load_space
from genretune.tune.storage.run_dir import RunDir

SPACE = """\
version: 1
name: tiny
seed: 3
trials: 2
metric: {name: val_loss, mode: min}
data: {split: {folds: 3}, window: {seconds: 0.5}}
trial:
  epochs: 1
  model: {name: cnn, filters: [4, 6, 8], reduction: 2}
  feature: {name: melspec, n_mels: 16, n_fft: 512}
parameters:
  optimizer.lr: {distribution: loguniform, min: 1.0e-3, max: 3.0e-2}
"""
Refused = Callable[..., str]
Genretune = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def space(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(SPACE)
    return path


@pytest.fixture
def refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Refused:
    """A function that runs a command, which must be refused with one line; the line."""

    def call(*arguments: str | Path) -> str:
        before = sorted(tmp_path.rglob("*"))
        assert run([str(argument) for argument in arguments]) == 2
        captured = capsys.readouterr()
        lines = captured.err.splitlines()
        assert len(lines) == 1 and captured.out == "", captured
        assert sorted(tmp_path.rglob("*")) == before
        return lines[0]

    return call


def test_a_missing_and_an_empty_folder(space: Path, tmp_path: Path, refused: Refused) -> None:
    out = ("--out", tmp_path / "run")
    assert "no such path" in refused("search", space, "--data", tmp_path / "nowhere", *out)
    (tmp_path / "empty").mkdir()
    assert "empty" in refused("search", space, "--data", tmp_path / "empty", *out)
    assert "--data: must name the corpus" in refused("search", space, *out)


def test_an_unreadable_file_and_its_exclusion(
    space: Path, corpus: Path, tmp_path: Path, refused: Refused
) -> None:
    music = tmp_path / "music"
    shutil.copytree(corpus, music)
    (music / "jazz" / "jazz.00002.wav").write_text("this is no WAV file")
    line = refused("search", space, "--data", music, "--out", tmp_path / "run")
    assert "jazz.00002" in line and "data.exclude: [faults]" in line
    sweep = new_sweep(load_space(space, ["data.exclude=[faults]", "data.split.folds=2"]), music)
    assert sweep.data["exclude"] == ["jazz.00002"]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("seed: 3", "seed: 3\nsede: 3", "sede: unknown key (did you mean 'seed'?)"),
        ("  epochs: 1", "  epochs: 1\n  epocs: 2", "epocs: unknown key (did you mean 'epochs'"),
        ("name: cnn", "name: cmn", 'model.name: must be the name of a known model, got "cmn"'),
        ("n_mels: 16", "n_mels: 0", "feature.n_mels: must be"),
        ("optimizer.lr:", "optimiser.lr:", "optimiser: unknown key (did you mean 'optimizer'?)"),
        ("name: val_loss", "name: val_los", "did you mean 'val_loss'?"),
        ("folds: 3", "folds: 1", "data.split"),
        ("reduction: 2", "reduction: 5", "model.reduction"),
        ("folds: 3", "fold: 9", "fold"),
        ("seconds: 0.5", "seconds: -1", "data.window.seconds"),
    ],
)
def test_mistakes_in_a_space(
    old: str, new: str, expected: str, space: Path, corpus: Path, tmp_path: Path, refused: Refused
) -> None:
    space.write_text(SPACE.replace(old, new))
    line = refused("search", space, "--data", corpus, "--out", tmp_path / "run")
    assert expected in line
    assert line.startswith(f"genretune: {space}:"), "the message names the line of the file"


def test_a_fold_with_fewer_clips_than_classes(
    space: Path, corpus: Path, store: Store, tmp_path: Path, refused: Refused
) -> None:
    where = ("--data", corpus, "--out", tmp_path / "run")
    first = split_clips(store, SplitSpec(folds=3), ())[1]["validation"][0]
    line = refused("search", space, f"data.exclude=[{first}]", *where)
    assert "at least as many clips in validation as there are classes (10), got 9" in line
    line = refused("search", space, "data.split.folds=5", *where)
    assert "got 5 folds and 3 clips of 'blues'" in line


def test_a_run_directory_that_exists_or_is_driven(
    space: Path, corpus: Path, tmp_path: Path, refused: Refused, genretune: Genretune
) -> None:
    existing = RunDir(tmp_path / "run")
    sweep = new_sweep(load_space(space), corpus)
    existing.create(SPACE, sweep.as_json())
    assert "which exists" in refused("search", space, "--data", corpus, "--out", existing.path)
    holder = {"generation": 3, "host": "another-host", "pid": 1, "started": 0.0}
    existing.driver_json.write_text(json.dumps(holder))
    before = sorted(existing.path.rglob("*"))
    # in its own process, which would exec the driver
    refused_resume = genretune("resume", existing.path)
    assert refused_resume.returncode == 2 and refused_resume.stderr.count("\n") == 1
    assert "in use by process 1 on another-host" in refused_resume.stderr
    assert sorted(existing.path.rglob("*")) == before
    space_text = SPACE.replace("epochs: 1", "epochs: 2")
    existing.space_yaml.write_text(space_text)
    assert "got changes in trial.epochs" in refused("resume", existing.path)


def test_unknown_options_and_commands(refused: Refused, tmp_path: Path) -> None:
    assert "No such option: --nope" in refused("search", "x.yaml", "--nope")
    assert "Did you mean 'search'" in refused("serach")
    assert "must be a run directory" in refused("results", tmp_path)
    assert "got no such file" in refused("search", tmp_path / "none.yaml", "--data", tmp_path)
