"""Duplicates of a store do not depend on where it is stored, and are found once."""

import shutil
from pathlib import Path

from genretune.data.duplicates import store_duplicates as module
from genretune.data.duplicates.store_duplicates import store_duplicates
from genretune.data.exclude import resolve_exclusions
from genretune.data.specs import SplitSpec, WindowSpec
from genretune.data.splits.fold_windows import fold_windows
from genretune.data.splits.leakage import check_leakage
from genretune.data.store import open_corpus
from genretune.data.synthetic.synth import write_corpus
from genretune.data.transfer import install_store, store_bytes


def test_copies_are_excluded_and_then_nothing_leaks(tmp_path: Path, monkeypatch) -> None:
    faults = {"exact": 2, "near": 2, "near-across": 2, "silent": 1, "clipped": 1}
    write_corpus(tmp_path / "x", clips=6, seconds=4.0, faults=faults)
    store = open_corpus(tmp_path / "x", cache=tmp_path / "cache")
    gone = resolve_exclusions(store, ["faults", "duplicates"])
    assert len(gone) == 7
    split, window = SplitSpec(folds=2), WindowSpec()
    leaking = fold_windows(store, split=split, window=window, exclude=gone[:0])
    clean = fold_windows(store, split=split, window=window, exclude=gone)
    assert check_leakage(store, leaking, split).leaks
    assert not check_leakage(store, clean, split).leaks
    monkeypatch.setattr(module, "find_duplicates", None)
    assert resolve_exclusions(store, ["faults", "duplicates"]) == gone


def test_a_node_with_only_the_store_finds_the_same_duplicates(tmp_path: Path) -> None:
    write_corpus(tmp_path / "x", clips=4, seconds=3.0, faults={"exact": 1, "near": 2})
    store = open_corpus(tmp_path / "x", cache=tmp_path / "here")
    there = install_store(store_bytes(store), store.samples_digest, tmp_path / "there")
    found = store_duplicates(store)
    assert found and store_duplicates(there) == found
    for file in (tmp_path / "here").glob("duplicates-*"):
        file.write_text("{}")
    assert store_duplicates(store) == found
    shutil.rmtree(tmp_path / "x")
    assert store_duplicates(store) == found
