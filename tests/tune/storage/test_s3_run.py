"""A trial in S3: what a segment stores, what the next one resumes from, who may write."""

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from genretune.data.store import Store
from genretune.tune.errors import RecordMismatch, TuneError
from genretune.tune.storage.object_store import ObjectStore
from genretune.tune.storage.run_dir import Lease, Replaced, RunDir
from genretune.tune.storage.s3_run import S3Run, object_name, require_new, stored_objects
from genretune.tune.training.config import TrialConfig
from genretune.tune.training.resolve_config import trial_config
from genretune.tune.training.train import train
from genretune.tune.trial.epoch_saver import CheckpointSchedule
from genretune.tune.trial.run_trial import run_trial
from genretune.tune.trial.s3_trial import S3Trial
from genretune.tune.trial.trial_dir import TrialDir
from tests.s3_server import S3

Tiny = Callable[..., dict[str, Any]]
numbers = iter(range(1000))


@pytest.fixture
def objects(s3: S3) -> Iterator[ObjectStore]:
    yield ObjectStore(s3.uri(f"sweep-{next(numbers)}"))


@pytest.fixture
def s3_run(objects: ObjectStore, tmp_path: Path) -> S3Run:
    run = RunDir(tmp_path / "run")
    run.create("name: x", {"version": 1}, objects.uri)
    sweep = S3Run(run, objects)
    sweep.claim(1, [])
    return sweep


@pytest.fixture
def config(tiny: Tiny) -> TrialConfig:
    return trial_config(tiny(epochs=5, best={"metric": "trn_loss"}))


def segment(
    objects: ObjectStore, scratch: Path, *, generation: int = 1, attempt: int = 0
) -> S3Trial:
    scratch.mkdir(parents=True)
    trial = S3Trial(objects, 3, Lease(generation, attempt), scratch)
    trial.download()
    return trial


def run_until(
    trial: S3Trial,
    config: TrialConfig,
    store: Store,
    last: int,
    *,
    schedule: CheckpointSchedule = CheckpointSchedule(),  # noqa: B008 (frozen)
) -> list[int]:
    """Train up to an epoch; return the epochs that were reported."""
    reported = []

    def report(record: Any) -> bool:
        newest = max(stored.epoch for stored in stored_objects(trial._objects, 3))
        assert newest >= record["epoch"], "an epoch is reported once it is safe"
        reported.append(record["epoch"])
        return bool(record["epoch"] < last)

    run_trial(config, store, trial.trial_dir, on_report=report, schedule=schedule)
    return reported


def epochs(objects: ObjectStore) -> list[tuple[int, int]]:
    return [(stored.generation, stored.epoch) for stored in stored_objects(objects, 3)]


def test_segments_resume_from_s3_as_if_never_interrupted(
    objects: ObjectStore, s3_run: S3Run, config: TrialConfig, store: Store, tmp_path: Path
) -> None:
    first = segment(objects, tmp_path / "a")
    first.trial_dir.write_config(config)
    assert run_until(first, config, store, 2) == [1, 2]
    s3_run.claim(2, [])
    second = segment(objects, tmp_path / "b", generation=2)
    assert run_until(second, config, store, 5) == [1, 2, 3, 4, 5], (
        "earlier epochs are reported again"
    )
    straight = train(config, store)
    s3_run.download_records(3)
    folder = tmp_path / "run" / "trials" / "00003"
    result = json.loads((folder / "result.json").read_text())
    for ours, theirs in zip(result["history"], straight.history, strict=True):
        assert ours | {"seconds": 0} == theirs | {"seconds": 0}
    assert [one["from_epoch"] for one in result["segments"]] == [0, 2]
    assert json.loads((folder / "config.json").read_text())["epochs"] == 5
    assert len((folder / "metrics.tsv").read_text().splitlines()) == 6
    best = result["best_epoch"]
    stay = sorted({(1 if best <= 2 else 2, best), (2, 4), (2, 5)})
    assert epochs(objects) == stay, "the best and the last two, each written once"
    s3_run.download_best(3)
    assert (folder / "checkpoints" / "best.safetensors").stat().st_size > 0


def test_an_old_best_epoch_stays_and_is_written_once(
    objects: ObjectStore, s3_run: S3Run, tiny: Tiny, store: Store, tmp_path: Path
) -> None:
    same = tiny(epochs=6, best={"metric": "val_loss"}, optimizer={"name": "SGD", "lr": 0.0})
    config = trial_config(same)
    run_until(segment(objects, tmp_path / "a"), config, store, 4)
    assert epochs(objects) == [(1, 1), (1, 3), (1, 4)]
    s3_run.claim(2, [])
    run_until(segment(objects, tmp_path / "b", generation=2), config, store, 6)
    assert epochs(objects) == [(1, 1), (2, 5), (2, 6)]
    s3_run.download_records(3)
    s3_run.download_best(3)
    best = TrialDir(tmp_path / "run" / "trials" / "00003").best_checkpoint()
    assert best is not None and best.epoch == 1


def test_only_epochs_with_a_checkpoint_have_an_object(
    objects: ObjectStore, s3_run: S3Run, tiny: Tiny, store: Store, tmp_path: Path
) -> None:
    same = tiny(epochs=6, best={"metric": "val_loss"}, optimizer={"name": "SGD", "lr": 0.0})
    config, sparse = trial_config(same), CheckpointSchedule(every=1e9, rungs=(3,))
    first = segment(objects, tmp_path / "a")
    assert run_until(first, config, store, 3, schedule=sparse) == [1, 2, 3]
    assert epochs(objects) == [(1, 1), (1, 3)], "the best one and the rung"
    s3_run.claim(2, [])
    again = segment(objects, tmp_path / "b", generation=2)
    assert run_until(again, config, store, 6, schedule=sparse) == [1, 2, 3, 4, 5, 6]
    assert epochs(objects) == [(1, 1), (1, 3), (2, 6)]
    s3_run.download_records(3)
    s3_run.download_best(3)
    best = TrialDir(tmp_path / "run" / "trials" / "00003").best_checkpoint()
    assert best is not None and best.epoch == 1


def test_a_damaged_epoch_is_skipped_for_the_one_before(
    objects: ObjectStore, s3_run: S3Run, config: TrialConfig, store: Store, tmp_path: Path
) -> None:
    run_until(segment(objects, tmp_path / "a"), config, store, 3)
    newest = stored_objects(objects, 3)[-1]
    content = bytearray(objects.get(newest.name) or b"")
    content[len(content) // 2] ^= 1
    objects.put(newest.name, bytes(content))
    again = segment(objects, tmp_path / "b")
    checkpoint = again.trial_dir.newest_checkpoint()
    assert checkpoint is not None and checkpoint.epoch == 2
    objects.put(newest.name, b"not a zip file")
    s3_run.download_records(3)
    result = TrialDir(tmp_path / "run" / "trials" / "00003").result()
    assert result is not None and len(result["history"]) == 2, "the driver skips it, too"
    assert run_until(segment(objects, tmp_path / "c"), config, store, 3) == [1, 2, 3]
    checkpoint = segment(objects, tmp_path / "d").trial_dir.newest_checkpoint()
    assert checkpoint is not None and checkpoint.epoch == 3, "it was written again"


def test_late_writes_of_a_replaced_writer_are_rejected(
    objects: ObjectStore, s3_run: S3Run, config: TrialConfig, store: Store, tmp_path: Path
) -> None:
    old = segment(objects, tmp_path / "a")
    run_until(old, config, store, 1)
    s3_run.revoke(3)
    with pytest.raises(Replaced, match="given up"):
        run_until(old, config, store, 5)
    assert epochs(objects) == [(1, 1)]
    given_up = segment(objects, tmp_path / "b", attempt=1)
    s3_run.claim(2, [])
    with pytest.raises(Replaced, match="driver 1 was replaced by 2"):
        run_until(given_up, config, store, 5)
    assert epochs(objects) == [(1, 1)]


def test_an_end_that_the_driver_never_received_is_deleted(
    objects: ObjectStore, s3_run: S3Run, config: TrialConfig, store: Store, tmp_path: Path
) -> None:
    trial = segment(objects, tmp_path / "a")
    run_until(trial, config, store, 1)
    trial.trial_dir.write_error("Traceback")
    trial.trial_dir.finish(config, "failed", "out of memory")
    trial.upload_end()
    s3_run.download_records(3)
    folder = tmp_path / "run" / "trials" / "00003"
    assert (folder / "error.txt").read_text() == "Traceback"
    assert json.loads((folder / "result.json").read_text())["why"] == "out of memory"
    segment(objects, tmp_path / "b")
    assert epochs(objects) == [(1, 1)]


def test_surplus_objects_are_deleted(
    objects: ObjectStore, s3_run: S3Run, config: TrialConfig, store: Store, tmp_path: Path
) -> None:
    run_until(segment(objects, tmp_path / "a"), config, store, 3)
    s3_run.delete(s3_run.surplus(3, {3}))
    assert epochs(objects) == [(1, 3)]
    assert s3_run.trials() == {3}
    s3_run.delete(s3_run.surplus(3, set()))
    assert s3_run.trials() == set()
    s3_run.download_records(3)  # no object is no error


def test_a_later_drivers_object_is_newer(objects: ObjectStore, s3_run: S3Run) -> None:
    for epoch, generation, attempt in [(5, 1, 0), (4, 2, 0), (2, 1, 1), (None, 1, 1)]:
        objects.put(object_name(3, epoch, generation, attempt), b"")
    order = [(one.generation, one.attempt, one.epoch) for one in stored_objects(objects, 3)]
    assert order[:2] == [(1, 0, 5), (1, 1, 2)] and order[-1] == (2, 0, 4)
    assert stored_objects(objects, 3)[2].is_end
    objects.put("trials/00003/surprise.zip", b"")
    assert len(stored_objects(objects)) == 4, "other objects are ignored"


def test_names_in_an_object_cannot_leave_the_run_directory(
    objects: ObjectStore, s3_run: S3Run, tmp_path: Path
) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as bundle:
        bundle.writestr("../../../outside.txt", "x")
        bundle.writestr("result.json", "{}")
    objects.put(object_name(3, 1, 1, 0), buffer.getvalue())
    s3_run.download_records(3)
    assert [path.name for path in (tmp_path / "run" / "trials" / "00003").iterdir()] == [
        "result.json"
    ]
    assert not list(tmp_path.rglob("outside.txt"))


def test_a_prefix_with_a_sweep_or_an_old_copy_of_a_run_is_refused(
    s3: S3, objects: ObjectStore, s3_run: S3Run, tmp_path: Path
) -> None:
    require_new(s3.uri("free"))
    assert ObjectStore(s3.uri("free")).sizes() == {}
    with pytest.raises(TuneError, match="must be a new prefix, got s3://"):
        require_new(objects.uri)
    with pytest.raises(TuneError, match="--storage: .*bucket"):
        require_new(s3.uri("x", bucket="another"))
    other = RunDir(tmp_path / "other")
    other.create("name: y", {"version": 1, "name": "y"}, objects.uri)
    with pytest.raises(RecordMismatch, match="must hold this sweep, got another one"):
        S3Run(other, objects).claim(9, [])
    s3_run.claim(5, [])
    with pytest.raises(TuneError, match="must not be held by a later driver, got generation 5"):
        s3_run.claim(4, [])
