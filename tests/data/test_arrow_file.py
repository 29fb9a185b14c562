"""The file that a corpus is packed into."""

import numpy as np
import pytest

from genretune.data import arrow_file
from genretune.data.arrow_file import DamagedStore, open_packed, samples_digest
from genretune.data.errors import DataError

NAMES = ["a.0", "a.1", "b.0", "b.1", "b.2"]


def test_clips_are_read_back_across_batches(make_store, monkeypatch) -> None:
    monkeypatch.setattr(arrow_file, "BATCH_BYTES", 20)
    lengths = [7, 0, 30, 1, 4]
    store = make_store(NAMES, length=lengths)
    assert store.lengths == tuple(lengths)
    for i, length in enumerate(lengths):
        assert store.samples(i).tolist() == list(range(100 * i, 100 * i + length))
    store.verify()
    with pytest.raises(IndexError):
        store.samples(5)


def test_batches_do_not_change_the_digest(make_store, monkeypatch) -> None:
    one = make_store(NAMES)
    monkeypatch.setattr(arrow_file, "BATCH_BYTES", 1)
    assert make_store(NAMES).samples_digest == one.samples_digest


def test_the_digest_covers_names_classes_groups_and_samples(make_store) -> None:
    digests = {
        make_store(NAMES).samples_digest,
        make_store([*NAMES[:-1], "b.3"]).samples_digest,
        make_store(NAMES, labels=list("aabba")).samples_digest,
        make_store(NAMES, attributes={"a.0": {"group": "g"}}).samples_digest,
        make_store(NAMES, length=599).samples_digest,
        make_store(NAMES, sample_rate=21).samples_digest,
    }
    assert len(digests) == 6


def test_the_digest_is_a_function_of_the_facts_alone() -> None:
    rows = [["a.0", "a", 3, "f" * 64, {}]]
    assert samples_digest(20, rows) == samples_digest(20, [tuple(rows[0])])
    # A change would invalidate every existing record.
    assert samples_digest(20, rows).startswith("827640297cf6")


def test_attributes_are_read_back_by_column(make_store) -> None:
    store = make_store(NAMES, attributes={"a.1": {"artist": "Ann"}})
    assert store.groups == {"artist": (None, "Ann", None, None, None)}


def test_changed_samples_are_detected(make_store) -> None:
    store = make_store(NAMES, length=50)
    changed = store.path.read_bytes().replace(
        np.arange(200, 210, dtype="<i2").tobytes(), np.arange(10, dtype="<i2").tobytes()
    )
    store.path.write_bytes(changed)
    with pytest.raises(DamagedStore, match="samples of 'b.0' changed on disk"):
        arrow_file.Store(store.path).verify()


def test_a_missing_file_is_rejected_in_one_line(tmp_path) -> None:
    with pytest.raises(DataError, match="pack again"):
        open_packed(tmp_path / "gone.arrow")


def test_a_null_in_a_required_column_is_damage(make_store, monkeypatch) -> None:
    path = make_store(NAMES).path
    texts = arrow_file._texts
    monkeypatch.setattr(
        arrow_file,
        "_texts",
        lambda batches, name: [None] * len(NAMES) if name == "label" else texts(batches, name),
    )
    with pytest.raises(DamagedStore, match="missing values in column label"):
        arrow_file.Store(path)
