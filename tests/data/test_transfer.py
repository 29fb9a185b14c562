"""A packed corpus sent as bytes is the same on another node."""

from pathlib import Path

import numpy as np
import pytest

from genretune.data.errors import DataError
from genretune.data.store import find_store
from genretune.data.transfer import install_store, store_bytes

NAMES = ["a.0", "b.0"]


def test_bytes_installed_elsewhere_are_found_there(make_store, tmp_path: Path) -> None:
    store = make_store(NAMES)
    there = install_store(store_bytes(store), store.samples_digest, tmp_path / "there")
    assert there.path.parent == tmp_path / "there"
    assert there.samples_digest == store.samples_digest
    assert np.array_equal(there.samples(1), store.samples(1))
    found = find_store(store.samples_digest, tmp_path / "there")
    assert found is not None and found.path == there.path
    assert not list((tmp_path / "there").glob("*.tmp"))


def test_the_second_time_nothing_is_written(make_store, tmp_path: Path) -> None:
    store = make_store(NAMES)
    first = install_store(store.path, store.samples_digest, tmp_path / "there")
    again = install_store(b"not read", store.samples_digest, tmp_path / "there")
    assert again.path.stat().st_ino == first.path.stat().st_ino


def test_bytes_damaged_in_transit_are_refused(make_store, tmp_path: Path) -> None:
    store = make_store(NAMES)
    data = bytearray(store.path.read_bytes())
    data[data.index(np.arange(100, 110, dtype="<i2").tobytes())] ^= 1
    for given in (bytes(data), bytes(data[: len(data) // 2]), b""):
        with pytest.raises(DataError, match="must be an intact file, got damage"):
            install_store(given, store.samples_digest, tmp_path / "there")
    assert not list((tmp_path / "there").glob("*.arrow"))


def test_a_store_with_other_samples_is_refused(make_store, tmp_path: Path) -> None:
    store = make_store(NAMES)
    with pytest.raises(DataError, match="must have the samples 000000000000"):
        install_store(store_bytes(store), "0" * 64, tmp_path / "there")


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="data store: must be a readable file"):
        install_store(tmp_path / "gone", "0" * 64, tmp_path / "there")
