"""Atomic writes leave the old file or the new one; retries end after their time."""

import errno
import os
from pathlib import Path

import pytest

from genretune.tune.storage.atomic_io import (
    StorageFailure,
    as_storage_failure,
    retry_storage,
    write_atomically,
)


def test_a_write_replaces_the_whole_file_and_leaves_no_other(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    write_atomically(path, b"long old content")
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "record.json"
    write_atomically(path, b"old")

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_content_is_on_disk_before_the_rename_and_the_folder_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    real_fsync, real_replace = os.fsync, os.replace

    def fsync(handle: int) -> None:
        calls.append("folder" if os.path.isdir(f"/proc/self/fd/{handle}") else "file")
        real_fsync(handle)

    def replace(source: Path, target: Path) -> None:
        calls.append("rename")
        real_replace(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    write_atomically(tmp_path / "record.json", b"x")
    assert calls == ["file", "rename", "folder"]


def test_a_link_in_place_of_the_temporary_file_is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("mine")
    (tmp_path / ".record.json.m.tmp").symlink_to(outside)
    with pytest.raises(OSError):
        write_atomically(tmp_path / "record.json", b"x", mark="m")
    assert outside.read_text() == "mine"


def test_a_link_in_place_of_the_file_is_replaced(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("mine")
    path = tmp_path / "record.json"
    path.symlink_to(outside)
    write_atomically(path, b"x")
    assert outside.read_text() == "mine"
    assert not path.is_symlink() and path.read_bytes() == b"x"


def test_storage_failures_are_retried_and_other_errors_are_not() -> None:
    attempts = iter(range(99))

    def fail_once() -> str:
        if next(attempts) == 0:
            raise StorageFailure("gone")
        return "done"

    assert retry_storage(fail_once, seconds=5.0) == "done"
    assert next(attempts) == 2

    def fail() -> None:
        next(attempts)
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        retry_storage(fail, seconds=5.0)
    assert next(attempts) == 4


def test_retries_end_after_their_time_or_when_the_check_raises() -> None:
    def fail() -> None:
        raise StorageFailure("gone")

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(StorageFailure, match="gone"):
        retry_storage(fail, seconds=0.0)
    with pytest.raises(KeyboardInterrupt):
        retry_storage(fail, seconds=60.0, check=interrupt)


def test_an_operating_system_error_becomes_one_line(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    with (
        pytest.raises(StorageFailure, match="missing: must be readable and writable, got No such"),
        as_storage_failure(tmp_path),
    ):
        missing.read_bytes()
