"""The short epoch that the doctor trains, without Ray."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from genretune.data.specs import SplitSpec, WindowSpec
from genretune.data.splits.fold_windows import fold_windows
from genretune.data.store import Store
from genretune.tune.dispatch.doctor import training_check
from genretune.tune.dispatch.doctor.short_epoch import describe_error, shorten, train_one_epoch
from genretune.tune.dispatch.doctor.training_check import TrainingCheck, temporary_run
from genretune.tune.dispatch.run_options import Resources
from genretune.tune.errors import TuneError
from genretune.tune.run.sweep_setup import Sweep, new_sweep
from genretune.tune.space.load import space_from_text
from genretune.tune.storage.object_store import ObjectStore
from tests.s3_server import S3

SPACE = """\
version: 1
name: tiny
seed: 3
trials: 8
metric: {name: val_loss, mode: min}
sampler: {type: random}
data:
  split: {name: SPLIT}
  window: {seconds: 0.25}
trial:
  epochs: 5
  batch_size: 8
  model: {name: cnn, filters: [4, 6, 8], reduction: 2, pool: gap}
  feature: {name: melspec, n_mels: 16, n_fft: 512}
parameters:
  optimizer.lr: {distribution: loguniform, min: 1.0e-3, max: 3.0e-2}
"""
STRATIFIED = "stratified, folds: 3"
CONTAMINATED = "contaminated, folds: 3, i_know_this_leaks: true"


def set_up(corpus: Path, split: str = STRATIFIED) -> Sweep:
    text = SPACE.replace("SPLIT", split).replace("data:\n", "data:\n  leakage: off\n", 1)
    return new_sweep(space_from_text(text.replace(": off", ": 'off'"), "tiny.yaml", []), corpus)


@pytest.fixture
def check(corpus: Path, store: Store, tmp_path: Path) -> TrainingCheck:
    return TrainingCheck(set_up(corpus), Resources(), tmp_path / "runs")


@pytest.mark.parametrize("split", [STRATIFIED, CONTAMINATED])
def test_a_shortened_sweep_has_all_classes_and_more_than_a_batch(
    split: str, corpus: Path, store: Store
) -> None:
    sweep = set_up(corpus, split)
    short = shorten(sweep, {"optimizer.lr": 0.01})
    data = short.data
    fold = fold_windows(
        store,
        split=SplitSpec(**data["split"]),
        window=WindowSpec(**data["window"]),
        exclude=data["exclude"],
    )
    trained = Counter(store.labels[clip] for clip in set(fold.train.clip.tolist()))
    assert set(trained) == set(range(10))
    assert len(fold.train) > 8
    assert data["exclude"], "some clips are left out"
    assert short.config({"optimizer.lr": 0.01}, 1).epochs == 5, "the rest stays as it is"


def test_no_clip_gives_more_than_a_few_windows(corpus: Path, store: Store) -> None:
    sweep = set_up(corpus)
    assert shorten(sweep, {"optimizer.lr": 0.01}).data["window"]["clip_seconds"] == 1.0


def test_two_nodes_compute_the_same_and_leave_nothing(check: TrainingCheck) -> None:
    with temporary_run(check) as order:
        first, second = (train_one_epoch({**order, "trial": trial}) for trial in (0, 1))
        (folder,) = check.out.parent.iterdir()
        assert folder.name.startswith(".genretune-doctor-")
        assert (folder / "trials/00001/checkpoints/00001.safetensors").exists()
    assert first["weights_sha256"] == second["weights_sha256"]
    assert first["device"] == "cpu" and first["machine_class"] == second["machine_class"]
    assert list(check.out.parent.iterdir()) == []


def test_a_node_without_the_samples_asks_for_them(
    check: TrainingCheck, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with temporary_run(check) as order:
        monkeypatch.setenv("GENRETUNE_CACHE", str(tmp_path / "empty"))
        order = {**order, "trial": 0, "store": "/nowhere.arrow"}
        assert train_one_epoch(order) == {"samples": store.samples_digest}


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"plugins": ["/nowhere/mine.py"]}, "mine.py"),
        ({"run": "/proc/nowhere"}, "/proc/nowhere"),
        ({"parameters": {"optimizer.lr": -1.0}}, "optimizer.lr"),
        ({"parameters": {"optimizer.lr": 1e30}}, "diverged"),
    ],
)
def test_an_error_is_one_line(
    change: dict[str, Any],
    error: str,
    check: TrainingCheck,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("genretune.tune.dispatch.doctor.short_epoch._IO_TIMEOUT", 0.0)
    with temporary_run(check) as order:
        result = train_one_epoch({**order, "trial": 0, **change})
    assert set(result) <= {"error", "remedy"}
    assert error in result["error"] and "\n" not in result["error"]


def test_the_remedy_of_a_message_is_told_apart() -> None:
    message = "device: needs a GPU, got none (set device=cpu (slow), or add one)"
    assert describe_error(TuneError(message))["remedy"] == "set device=cpu (slow), or add one"
    assert describe_error(TuneError("a: must be b, got c (do d)\nsecond")) == {
        "error": "a: must be b, got c",
        "remedy": "do d",
    }
    assert describe_error(TuneError("a: must be b")) == {"error": "a: must be b"}
    assert describe_error(ValueError("shape (3, 4)")) == {"error": "ValueError: shape (3, 4)"}


def test_records_go_to_s3_and_are_deleted(check: TrainingCheck, s3: S3) -> None:
    uri = s3.uri("doctor-trains")
    with temporary_run(replace(check, storage=uri)) as order:
        result = train_one_epoch({**order, "trial": 0})
        assert len(result["weights_sha256"]) == 64
        stored = ObjectStore(uri).sizes()
    assert any(name.endswith("trials/00000/00001-g00001-a000.zip") for name in stored), stored
    assert ObjectStore(uri).sizes() == {}
    assert list(check.out.parent.iterdir()) == []


def test_a_node_that_lacks_the_samples_gets_them_and_trains(
    check: TrainingCheck, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # tasks run here and now; so nothing of Ray's is needed
    monkeypatch.setattr(training_check, "submit_to_node", lambda node, function, *a: function(*a))
    monkeypatch.setattr(training_check, "_submit", lambda node, order, _: train_one_epoch(order))
    monkeypatch.setattr(training_check, "_gather", dict)
    monkeypatch.setattr("ray.put", lambda value: value)
    monkeypatch.setenv("GENRETUNE_CACHE", str(tmp_path / "node"))
    with temporary_run(check) as order:
        elsewhere = {**order, "store": "/nowhere.arrow"}
        resources = Resources(cpu=1.0, gpu=0.0)
        results = training_check._train_on({"id": "node"}, elsewhere, resources, check.sweep)
    assert len(results["node"]["weights_sha256"]) == 64
    assert list((tmp_path / "node").glob("*.arrow"))
