"""Folds: equal to the reference clip by clip, and properties that hold for any corpus."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genretune.data.clip_names import GTZAN_GENRES, gtzan_names
from genretune.data.errors import DataError
from genretune.data.specs import SplitSpec, WindowSpec
from genretune.data.splits.fold_windows import fold_windows, split_clips

WINDOW = WindowSpec()
LEAKING = SplitSpec(name="contaminated", i_know_this_leaks=True)


def of_reference(fold: dict[str, str]) -> list[str]:
    return sorted(f"{g}.{int(n):05d}" for g, numbers in fold.items() for n in numbers.split())


def test_folds_of_the_reference(gtzan, reference: dict[str, Any]) -> None:
    folds = split_clips(gtzan(), SplitSpec(), ())
    for number, wanted in reference["folds"].items():
        assert folds[int(number)]["validation"] == of_reference(wanted)
    assert sorted(sum((fold["validation"] for fold in folds.values()), [])) == list(gtzan_names())


def test_gtzan_folds_do_not_move_when_clips_are_missing_or_excluded(gtzan) -> None:
    whole = split_clips(gtzan(), SplitSpec(), ())
    gone = ("jazz.00054", "blues.00003", "rock.00099")
    missing = split_clips(gtzan(gone), SplitSpec(), ())
    assert missing == split_clips(gtzan(), SplitSpec(), gone)
    for fold, parts in whole.items():
        for part, names in parts.items():
            assert missing[fold][part] == [name for name in names if name not in gone]


def test_a_small_corpus_with_gtzans_names_is_stratified_over_its_own_clips(make_store) -> None:
    names = [f"{genre}.{n:05d}" for genre in GTZAN_GENRES for n in range(8)]
    for fold in split_clips(make_store(names), SplitSpec(folds=4), ()).values():
        count = Counter(name.split(".")[0] for name in fold["validation"])
        assert count == dict.fromkeys(GTZAN_GENRES, 2)


def test_contaminated_windows_of_the_reference(gtzan, reference: dict[str, Any]) -> None:
    store, wanted = gtzan(), reference["contaminated"]
    fold = fold_windows(store, split=LEAKING, window=WINDOW, exclude=())
    assert (len(fold.train), len(fold.validation)) == (wanted["n_train"], wanted["n_val"])
    scale = 22050 // store.sample_rate
    windows = zip(fold.validation.clip.tolist(), fold.validation.start.tolist(), strict=True)
    first = [f"{store.names[clip]}@{start * 22050 // 20}" for clip, start in windows][:10]
    assert first == wanted["val_first10"], scale
    validation = set(fold.validation.clip.tolist())
    assert len(validation) == wanted["val_files"]
    assert len(validation & set(fold.train.clip.tolist())) == wanted["val_files_also_in_train"]


def test_contaminated_windows_do_not_move_when_a_clip_is_missing(gtzan) -> None:
    gone = "jazz.00054"
    whole = split_clips(gtzan(), LEAKING, (gone,))
    assert split_clips(gtzan([gone]), LEAKING, ()) == whole


def test_fault_filtered_counts(gtzan, reference: dict[str, Any]) -> None:
    wanted = reference["fault_filtered"]
    fold = split_clips(gtzan(), SplitSpec(name="fault-filtered"), ())[1]
    assert [len(fold[part]) for part in ("train", "validation", "test")] == wanted["counts"]
    for genre, counts in wanted["per_genre"].items():
        got = [sum(n.startswith(genre + ".") for n in names) for names in fold.values()]
        assert got == counts, genre


def test_fault_filtered_is_for_gtzan_only(make_store) -> None:
    with pytest.raises(DataError, match="other than GTZAN"):
        split_clips(make_store(["a.0", "b.0"]), SplitSpec(name="fault-filtered"), ())


def test_windows_of_the_subsets_are_sorted_and_disjoint(gtzan) -> None:
    fold = fold_windows(gtzan(), split=SplitSpec(test=0.1), window=WINDOW, exclude=())
    assert (len(fold.train), len(fold.validation), len(fold.test)) == (13680, 3420, 1900)
    clips = [set(part.clip.tolist()) for part in (fold.train, fold.validation, fold.test)]
    assert not (clips[0] & clips[1] or clips[0] & clips[2] or clips[1] & clips[2])
    for part in (fold.train, fold.validation, fold.test):
        assert np.array_equal(np.lexsort((part.start, part.clip)), np.arange(len(part)))


def test_excluded_clips_are_in_no_subset_and_unlisted_ones_are_reported(gtzan) -> None:
    split = SplitSpec(name="fault-filtered")
    store = gtzan()
    fold = fold_windows(store, split=split, window=WINDOW, exclude=("blues.00029",))
    used = {store.names[i] for p in (fold.train, fold.validation, fold.test) for i in p.clip}
    assert "blues.00029" not in used and "blues.00029" not in fold.unused
    assert len(fold.unused) == 70


@pytest.mark.parametrize(
    ("per_class", "folds", "message"),
    [(3, 5, "number of clips in the smallest class"), (2, 3, "data.split.folds")],
)
def test_too_few_clips(make_store, per_class: int, folds: int, message: str) -> None:
    names = [f"{c}.{n:05d}" for c in "abc" for n in range(per_class)]
    with pytest.raises(DataError, match=message):
        split_clips(make_store(names), SplitSpec(folds=folds), ())


def test_a_fold_emptied_by_exclusion(make_store) -> None:
    names = [f"{c}.{n:05d}" for c in "ab" for n in range(2)]
    store = make_store(names)
    validation = split_clips(store, SplitSpec(folds=2), ())[1]["validation"]
    with pytest.raises(DataError, match="at least as many clips in validation"):
        fold_windows(store, split=SplitSpec(folds=2), window=WINDOW, exclude=validation[:1])
    with pytest.raises(DataError, match="class 'a' has no training clip|clips in train"):
        gone = [name for name in names if name.startswith("a") and name not in validation]
        fold_windows(store, split=SplitSpec(folds=2), window=WINDOW, exclude=gone)


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    counts=st.lists(st.integers(6, 15), min_size=2, max_size=4),
    folds=st.integers(2, 3),
    test=st.sampled_from([0.0, 0.2, 0.34]),
    groups=st.integers(1, 3),
    grouped=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_folds_partition_the_corpus_and_no_group_is_on_two_sides(
    make_store, *, counts, folds, test, groups, grouped, seed
) -> None:
    names = [f"{'abcd'[c]}.{n:05d}" for c, count in enumerate(counts) for n in range(count)]
    group = {name: f"{name[0]}{int(name[2:]) // groups}" for name in names}
    store = make_store(names, length=4, attributes={n: {"group": group[n]} for n in names})
    kind = "grouped" if grouped else "stratified"
    try:
        parts = split_clips(store, SplitSpec(name=kind, folds=folds, test=test, seed=seed), ())
    except DataError as error:
        assert "data.split.folds" in str(error)
        return
    held = parts[1].get("test", [])
    validated = sum((fold["validation"] for fold in parts.values()), [])
    assert sorted([*validated, *held]) == names
    for fold in parts.values():
        assert fold.get("test", []) == held
        sides = [set(names) for names in fold.values()]
        assert sorted(set().union(*sides)) == names
        assert sum(map(len, sides)) == len(names)
    of_held = {group[name] for name in held}
    assert not of_held & {group[name] for name in validated}
    if test:
        assert set(name[0] for name in held) == set("abcd"[: len(counts)])
    if grouped:
        for fold in parts.values():
            assert not {group[n] for n in fold["train"]} & {group[n] for n in fold["validation"]}
