"""Splits by a user's table."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from genretune.data.errors import DataError
from genretune.data.specs import SplitSpec
from genretune.data.splits.fold_windows import split_clips
from genretune.data.splits.split_file import resolve_split

NAMES = [f"{label}.{n:05d}" for label in "ab" for n in range(3)]


@pytest.fixture
def resolved(make_store, tmp_path: Path):
    def resolve(text: str, **more):
        (tmp_path / "split.csv").write_text(text)
        store = make_store(NAMES)
        spec = SplitSpec(name="file", file="split.csv", **more)
        return store, resolve_split(spec, store, tmp_path)

    return resolve


def test_a_column_split(resolved) -> None:
    rows = ["a/a.00000.wav,train", "b.00000,training", "a.00001.wav,Val", "b.00001,valid"]
    store, split = resolved("\n".join(["file,split", *rows, "a.00002,test", "b.2.au,test"]) + "\n")
    assert (split.folds, split.file) == (1, None)
    assert split_clips(store, split, ()) == {
        1: {
            "train": ["a.00000", "b.00000"],
            "validation": ["a.00001", "b.00001"],
            "test": ["a.00002", "b.00002"],
        }
    }


def test_a_column_fold_counted_from_the_smallest(resolved) -> None:
    rows = [f"{name},{int(name[-1])}" for name in NAMES]
    store, split = resolved("\n".join(["file,fold", *rows]) + "\n", fold=3)
    folds = split_clips(store, split, ())
    assert split.folds == 3
    assert [folds[n]["validation"] for n in (1, 2, 3)] == [
        ["a.00000", "b.00000"],
        ["a.00001", "b.00001"],
        ["a.00002", "b.00002"],
    ]


def test_both_columns_give_folds_and_a_test_subset(resolved) -> None:
    rows = ["a.00000,,1", "a.00001,train,2", "a.00002,test,", "b.00000,,2", "b.00001,,1"]
    store, split = resolved("\n".join(["file,split,fold", *rows]) + "\n")
    folds = split_clips(store, split, ())
    assert folds[1]["test"] == folds[2]["test"] == ["a.00002"]
    assert folds[2]["validation"] == ["a.00001", "b.00000"]


def test_a_resolved_split_needs_no_file_and_survives_json(resolved, tmp_path: Path) -> None:
    rows = [f"{name},{int(name[-1])},g{name[-1]}" for name in NAMES]
    store, split = resolved("\n".join(["file,fold,group", *rows]) + "\n")
    (tmp_path / "split.csv").unlink()
    again = SplitSpec.model_validate_json(split.model_dump_json())
    assert again == split and again.groups == {name: f"g{name[-1]}" for name in NAMES}
    assert split_clips(store, again, ()) == split_clips(store, split, ())
    assert resolve_split(again, store) == again


def test_columns_of_the_manifest(make_store) -> None:
    fold = {name: {"fold": name[-1]} for name in NAMES}
    store = make_store(NAMES, attributes=fold)
    split = resolve_split(SplitSpec(name="file"), store)
    assert (split.folds, split.members) == (3, None)
    assert split_clips(store, split, ())[1]["validation"] == ["a.00000", "b.00000"]


def test_parquet_with_numbers(make_store, tmp_path: Path) -> None:
    table = pa.table({"file": NAMES, "fold": [int(name[-1]) for name in NAMES]})
    pyarrow.parquet.write_table(table, tmp_path / "s.parquet")
    split = SplitSpec(name="file", file=str(tmp_path / "s.parquet"))
    assert resolve_split(split, make_store(NAMES)).folds == 3


def test_gtzans_missing_clips_may_be_listed(gtzan, tmp_path: Path) -> None:
    rows = ["jazz.00054,train", "jazz.00053,train", "jazz.00052,val"]
    (tmp_path / "s.csv").write_text("\n".join(["file,split", *rows]) + "\n")
    store = gtzan(["jazz.00054"])
    split = resolve_split(SplitSpec(name="file", file="s.csv"), store, tmp_path)
    assert split_clips(store, split, ())[1]["train"] == ["jazz.00053"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,part\na.00000,train\n", "a column 'split' or 'fold'"),
        ("name,split\na.00000,train\n", "a column 'file'"),
        ("file,split\na.00009,train\n", "did you mean 'a.00000'|did you mean"),
        ("file,split\na.00000,train\na.0.wav,val\n", "each clip once, got 'a.00000' again"),
        ("file,split\na.00000,trian\n", "line 2: split must be train.*did you mean 'train'"),
        ("file,fold\na.00000,x\n", "fold must be a whole number, got 'x'"),
        ("file,fold\na.00000,1\na.00001,1\n", "at least two folds"),
        ("file,split\na.00000,train\n", "clips in train and in validation"),
        ("file,split,fold\na.00000,train,1\na.00001,train,\n", "a fold for each clip"),
    ],
)
def test_invalid_tables_are_rejected_in_one_line(resolved, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as error:
        resolved(text)
    assert "\n" not in str(error.value)


def test_folds_that_contradict_the_file(resolved) -> None:
    rows = [f"{name},{int(name[-1])}" for name in NAMES]
    with pytest.raises(DataError, match="data.split.folds: must be 3 as in the file, got 4"):
        resolved("\n".join(["file,fold", *rows]) + "\n", folds=4)
