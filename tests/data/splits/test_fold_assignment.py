"""Groups of clips and the test subset."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genretune.data.errors import DataError
from genretune.data.specs import SplitSpec
from genretune.data.splits.fold_assignment import assign_folds, choose_test_clips, clip_groups

NAMES = [f"{label}.{n:05d}" for label in "ab" for n in range(8)]
ARTISTS = {name: {"artist": f"{name[0]}{int(name[2:]) // 2}"} for name in NAMES}


def sides(store, split: SplitSpec, group) -> None:
    for fold in assign_folds(store, split):
        train, validation = ({group(name) for name in fold[p]} for p in ("train", "validation"))
        assert validation and not train & validation


def test_groups_from_a_column_of_the_manifest(make_store) -> None:
    store = make_store(NAMES, attributes=ARTISTS)
    split = SplitSpec(name="grouped", group="artist", folds=3)
    sides(store, split, lambda name: ARTISTS[name]["artist"])


def test_groups_from_a_pattern_on_the_name(make_store) -> None:
    split = SplitSpec(name="grouped", group_pattern=r"^(.\.000.)", folds=2)
    names = [f"{label}.{track:04d}{n}" for label in "ab" for track in range(3) for n in range(2)]
    sides(make_store(names), split, lambda name: name[:6])


def test_a_clip_without_a_group_is_its_own_group(make_store) -> None:
    store = make_store(["a.0", "a.1", "b.0"], attributes={"a.0": {"group": "g"}})
    groups = clip_groups(store, SplitSpec(name="grouped"), store.names)
    assert groups == {"a.0": "group g", "a.1": "clip a.1", "b.0": "clip b.0"}


def test_grouped_without_groups_names_the_remedy(make_store) -> None:
    with pytest.raises(DataError, match="data.split.group_pattern"):
        assign_folds(make_store(NAMES), SplitSpec(name="grouped"))


def test_a_pattern_that_misses_a_clip_is_refused(make_store) -> None:
    with pytest.raises(DataError, match="must match every clip's name, got no match in 'b.00000'"):
        assign_folds(make_store(NAMES), SplitSpec(name="grouped", group_pattern="(a)"))


def test_fewer_groups_than_folds(make_store) -> None:
    one = {name: {"group": name[0]} for name in NAMES}
    with pytest.raises(DataError, match="at most the number of groups, got 3 folds and 2 groups"):
        assign_folds(make_store(NAMES, attributes=one), SplitSpec(name="grouped", folds=3))


def test_stratified_keeps_known_groups_whole_in_the_test_subset(make_store) -> None:
    store = make_store(NAMES, attributes={n: {"group": a["artist"]} for n, a in ARTISTS.items()})
    fold = assign_folds(store, SplitSpec(folds=2, test=0.25))[0]
    assert Counter(name[0] for name in fold["test"]) == {"a": 2, "b": 2}
    assert len({ARTISTS[name]["artist"] for name in fold["test"]}) == 2


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    counts=st.lists(st.integers(1, 40), min_size=1, max_size=4),
    share=st.floats(0.01, 0.9),
    seed=st.integers(0, 1000),
)
def test_without_groups_each_class_contributes_its_share(counts, share: float, seed: int) -> None:
    names = [f"{'abcd'[c]}{n}" for c, count in enumerate(counts) for n in range(count)]
    labels = [name[0] for name in names]
    out = choose_test_clips(names, labels, {name: name for name in names}, share, seed)
    got = Counter(name[0] for name in out)
    assert got == {"abcd"[c]: max(1, int(share * n + 0.5)) for c, n in enumerate(counts)}


def test_a_class_of_one_big_group_still_contributes_a_group() -> None:
    names = ["a0", "a1", "a2", "b0", "b1", "b2"]
    groups = dict.fromkeys(names[:3], "big") | {name: name for name in names[3:]}
    out = choose_test_clips(names, [name[0] for name in names], groups, 0.34, 0)
    assert {"a0", "a1", "a2"} <= out and len(out) == 4


def test_the_test_subset_is_stable_when_clips_are_added() -> None:
    names = [f"a{n}" for n in range(200)]
    groups = {name: name for name in [*names, "a200"]}
    before = choose_test_clips(names, ["a"] * 200, groups, 0.2, 3)
    after = choose_test_clips([*names, "a200"], ["a"] * 201, groups, 0.2, 3)
    assert len(before ^ after) <= 2
