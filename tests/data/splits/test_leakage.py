"""Leaks between the subsets of a fold are found, and the message names the remedy."""

import numpy as np
import pytest

from genretune.data.duplicates.detection import Duplicates, NearDuplicate
from genretune.data.errors import DataError
from genretune.data.specs import SplitSpec, WindowSpec
from genretune.data.splits.fold_windows import fold_windows
from genretune.data.splits.leakage import check_leakage, enforce_leakage_policy

NAMES = [f"{label}.{n:05d}" for label in "ab" for n in range(4)]


@pytest.fixture
def fold(make_store, monkeypatch):
    """A store whose duplicates are given, and its windows."""

    def make(split: SplitSpec, duplicates: Duplicates, exclude=(), **how):
        store = make_store(NAMES, **how)
        monkeypatch.setattr(
            "genretune.data.splits.leakage.store_duplicates", lambda store: duplicates
        )
        windows = fold_windows(store, split=split, window=WindowSpec(), exclude=exclude)
        return store, windows, split

    return make


def across(store, windows) -> tuple[str, str]:
    """The first training clip, and the first validation clip."""
    first = (store.names[part.clip[0]] for part in (windows.train, windows.validation))
    return tuple(first)  # type: ignore[return-value]


def test_a_clean_fold_passes(fold) -> None:
    report = enforce_leakage_policy(*fold(SplitSpec(folds=2), Duplicates()), "error")
    assert report.leaks == () and report.message() == ""


@pytest.mark.parametrize("exact", [True, False])
def test_a_recording_in_two_subsets(fold, exact: bool) -> None:
    split = SplitSpec(folds=2)
    a, b = sorted(across(*fold(split, Duplicates())[:2]))
    twice = Duplicates(((a, b),)) if exact else Duplicates((), (NearDuplicate(a, b, 0.9, 0),))
    with pytest.raises(DataError) as error:
        enforce_leakage_policy(*fold(split, twice), "error")
    assert "1 duplicate in two of them" in str(error.value)
    assert "add data.exclude: [faults, duplicates]" in str(error.value)
    assert "\n" not in str(error.value)
    assert len(enforce_leakage_policy(*fold(split, twice), "warn").leaks) == 1
    assert enforce_leakage_policy(*fold(split, twice), "off").leaks == ()


def test_a_recording_twice_in_one_subset_is_no_leak(fold) -> None:
    store, windows, split = fold(SplitSpec(folds=2), Duplicates())
    a, b = [store.names[i] for i in np.unique(windows.train.clip)[:2]]
    assert not enforce_leakage_policy(*fold(split, Duplicates(((a, b),))), "error").leaks


def test_a_group_in_two_subsets(fold) -> None:
    groups = {name: {"group": "one"} for name in NAMES if name.startswith("a")}
    store, windows, split = fold(SplitSpec(folds=2), Duplicates(), attributes=groups)
    with pytest.raises(DataError, match="set data.split.name: grouped"):
        enforce_leakage_policy(store, windows, split, "error")


def test_groups_of_a_pattern_and_of_the_track_column_are_both_checked(fold) -> None:
    tracks = {"a.00000": {"track": "t"}, "a.00001": {"track": "t"}}
    for seed in range(20):
        split = SplitSpec(folds=2, seed=seed)
        store, windows, split = fold(split, Duplicates(), attributes=tracks)
        sides = {store.names[i] for i in windows.train.clip} & set(tracks)
        assert bool(check_leakage(store, windows, split).leaks) == (len(sides) == 1)


def test_grouped_folds_pass_where_stratified_ones_do_not(fold) -> None:
    groups = {name: {"group": name[:6]} for name in NAMES}
    groups |= {n: {"group": f"{n[0]}{int(n[-1]) // 2}"} for n in NAMES}
    split = SplitSpec(name="grouped", folds=2)
    assert not enforce_leakage_policy(*fold(split, Duplicates(), attributes=groups), "error").leaks


def test_contaminated_is_accepted_and_reported(fold) -> None:
    split = SplitSpec(name="contaminated", folds=2, i_know_this_leaks=True)
    report = enforce_leakage_policy(*fold(split, Duplicates()), "error")
    assert report.accepted and {leak.kind for leak in report.leaks} == {"clip"}
    assert report.as_json()["accepted"] is True


def test_the_test_subset_is_checked_too(fold) -> None:
    split = SplitSpec(folds=2, test=0.25)
    store, windows, _ = fold(split, Duplicates())
    a = store.names[windows.test.clip[0]]
    b = store.names[windows.validation.clip[0]]
    report = check_leakage(*fold(split, Duplicates((tuple(sorted((a, b))),))))
    assert [leak.sides for leak in report.leaks] == [("validation", "test")]
