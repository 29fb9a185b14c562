"""A trial's folder: which checkpoints stay, and what remains after a full disk."""

import errno
import json
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from genretune.data.store import Store
from genretune.tune.errors import RecordMismatch, TuneError
from genretune.tune.storage import untrusted
from genretune.tune.storage.atomic_io import StorageFailure
from genretune.tune.training.metrics import COLUMNS
from genretune.tune.training.resolve_config import trial_config
from genretune.tune.trial.checkpoint_file import CheckpointRetention
from genretune.tune.trial.run_trial import run_trial
from genretune.tune.trial.trial_dir import TrialDir

Tiny = Callable[..., dict[str, Any]]


def always(record: Any) -> bool:
    return True


def names(folder: TrialDir) -> list[str]:
    return sorted(path.name.removesuffix(".safetensors") for path in folder.checkpoints.iterdir())


@pytest.mark.parametrize(
    ("retention", "remaining"),
    [
        (CheckpointRetention(), ["00005", "00006"]),
        (CheckpointRetention(last=1), ["00006"]),
        (CheckpointRetention(last=1, every=2), ["00002", "00004", "00006"]),
        (CheckpointRetention(last=9), ["00001", "00002", "00003", "00004", "00005", "00006"]),
    ],
)
def test_best_last_and_every_nth_stay(
    store: Store, tiny: Tiny, tmp_path: Path, retention: CheckpointRetention, remaining: list[str]
) -> None:
    folder = TrialDir(tmp_path / "trial", retention=retention)
    config = trial_config(tiny(epochs=6, best={"metric": "trn_loss"}))
    run_trial(config, store, folder, on_report=always)
    assert names(folder) == [*remaining, "best"]
    best = folder.best_checkpoint()
    result = folder.result()
    assert best is not None and result is not None
    losses = [record["trn_loss"] for record in result["history"]]
    assert best.epoch == result["best_epoch"] == losses.index(min(losses)) + 1
    assert result["classes"] == list(store.classes)


def test_damaged_checkpoints_do_not_displace_intact_ones(
    store: Store, tiny: Tiny, tmp_path: Path
) -> None:
    folder = TrialDir(tmp_path / "trial")
    config = trial_config(tiny())
    run_trial(config, store, folder, on_report=lambda record: record["epoch"] < 3)
    for epoch in (2, 3):  # all that are left; best is a link to one of them
        path = folder.checkpoints / f"{epoch:05d}.safetensors"
        path.write_bytes(path.read_bytes()[:-1])
    (folder.checkpoints / "00003 (copy).safetensors").touch()
    run_trial(config, store, folder, on_report=lambda record: record["epoch"] < 1)
    again = folder.newest_checkpoint()
    assert again is not None and again.epoch == 1
    assert run_trial(config, store, folder, on_report=always).status == "completed"
    result = folder.result()
    assert result is not None
    assert [segment["from_epoch"] for segment in result["segments"]] == [0, 0, 1]
    assert names(folder) == ["00003", "00003 (copy)", "00004", "best"]


def test_the_best_is_a_copy_without_hard_links(
    store: Store, tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*names: Path) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    folder = TrialDir(tmp_path / "trial")
    run_trial(trial_config(tiny(epochs=1)), store, folder, on_report=always)
    best, newest = folder.best_checkpoint(), folder.newest_checkpoint()
    assert best is not None and newest is not None and best.history == newest.history
    assert names(folder) == ["00001", "best"]


def test_temporarily_unreadable_storage_is_retried(
    store: Store, tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = TrialDir(tmp_path / "trial", io_timeout=5.0)
    read, calls = untrusted.read_file, iter(range(99))

    def stale(path: Path) -> bytes:
        if path.name == "result.json" and next(calls) in (1, 3):
            raise OSError(errno.ESTALE, "Stale file handle")
        return read(path)

    monkeypatch.setattr(untrusted, "read_file", stale)
    outcome = run_trial(trial_config(tiny(epochs=2)), store, folder, on_report=always)
    assert outcome.status == "completed"
    assert next(calls) > 4 and not (folder.path / "error.txt").exists()


def test_retention_of_no_checkpoint_is_refused() -> None:
    with pytest.raises(TuneError, match="at least the last 1 checkpoint.*got last 0"):
        CheckpointRetention(last=0)


def test_metrics_are_rewritten_whole_and_round_trip(
    store: Store, tiny: Tiny, tmp_path: Path
) -> None:
    folder = TrialDir(tmp_path / "trial")
    run_trial(trial_config(tiny(epochs=2)), store, folder, on_report=always)
    lines = (folder.path / "metrics.tsv").read_text().splitlines()
    result = folder.result()
    assert result is not None
    assert lines[0].split("\t") == list(COLUMNS)
    for line, record in zip(lines[1:], result["history"], strict=True):
        for name, cell in zip(COLUMNS, line.split("\t"), strict=True):
            assert type(record[name])(cell) == record[name]


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """Limit files to ``size`` bytes; larger writes fail as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_leaves_the_last_checkpoint_intact(
    store: Store, tiny: Tiny, tmp_path: Path
) -> None:
    config = trial_config(tiny())
    straight = run_trial(config, store, TrialDir(tmp_path / "straight"), on_report=always)
    folder = TrialDir(tmp_path / "trial")
    run_trial(config, store, folder, on_report=lambda record: record["epoch"] < 2)
    before = {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()}
    refused = pytest.raises(StorageFailure, match="must be readable and writable, got File too")
    with files_up_to(4096), refused:
        folder.save_epoch(config, folder.newest_checkpoint() or pytest.fail("no checkpoint"))
    assert {p: p.read_bytes() for p in folder.path.rglob("*") if p.is_file()} == before
    outcome = run_trial(config, store, folder, on_report=always)
    assert [r["weights_sha256"] for r in outcome.history] == [
        r["weights_sha256"] for r in straight.history
    ]


def test_a_full_disk_does_not_fail_the_trial(
    store: Store, tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = TrialDir(tmp_path / "trial")
    real = os.fsync
    calls = iter(range(99))

    def full(handle: int) -> None:
        if next(calls) >= 8:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(handle)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageFailure, match="No space left on device .*then resume"):
        run_trial(trial_config(tiny()), store, folder, on_report=always)
    monkeypatch.undo()
    result = folder.result()
    assert result is not None and result["status"] == "running"
    assert not (folder.path / "error.txt").exists()
    assert not [path for path in folder.path.rglob(".*.tmp")]


def test_unreadable_records_are_named(tmp_path: Path) -> None:
    folder = TrialDir(tmp_path)
    with pytest.raises(RecordMismatch, match=r"config\.json: must exist"):
        folder.config()
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(RecordMismatch, match=r"config\.json: must be readable JSON"):
        folder.config()
    (tmp_path / "result.json").write_text(json.dumps([1]))
    with pytest.raises(RecordMismatch, match=r"result\.json: must be a JSON object, got list"):
        folder.result()
