"""The windows of a fold: split by clips (or, contaminated, by windows), less excluded clips."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genretune.data.clip_names import is_gtzan
from genretune.data.errors import DataError, printable_line
from genretune.data.specs import SplitSpec, WindowSpec
from genretune.data.splits.fold_assignment import assign_folds, clips_to_assign
from genretune.data.windows import Clips, WindowSet, spec_starts

SUBSETS = ("train", "validation", "test")

Starts = dict[str, NDArray[np.int64]]
"""Window starts in samples, int64 [N], by clip name."""


@dataclass(frozen=True)
class FoldWindows:
    """Windows of one fold; ``unused`` lists clips in no subset that are not excluded either."""

    train: WindowSet
    validation: WindowSet
    test: WindowSet
    unused: tuple[str, ...] = ()


def fold_windows(
    store: Clips, *, split: SplitSpec, window: WindowSpec, exclude: Sequence[str]
) -> FoldWindows:
    """Return the training, validation and test windows of fold ``split.fold``.

    Raises:
        DataError: train or validation has fewer clips than there are classes, a class has no
            training clip, or the corpus cannot be split like this.
    """
    if split.name == "contaminated":
        starts = _by_windows(store, split, window)[split.fold - 1]
    else:
        fold = assign_folds(store, split)[split.fold - 1]
        starts = {subset: _all_starts(store, names, window) for subset, names in fold.items()}
    # Exclusions come after the assignment, so that excluding a clip moves no other clip.
    excluded = set(exclude)
    sets = {subset: _window_set(store, starts[subset], excluded) for subset in SUBSETS}
    for subset in ("train", "validation"):
        _check_subset(store, subset, sets[subset], split)
    used = excluded.union(*starts.values())
    unused = tuple(name for name in store.names if name not in used)
    return FoldWindows(sets["train"], sets["validation"], sets["test"], unused)


def split_clips(
    store: Clips, split: SplitSpec, exclude: Sequence[str]
) -> dict[int, dict[str, list[str]]]:
    """Return fold number -> subset -> sorted canonical names, for inspection.

    Contaminated splits windows, so its entries are ``name@start`` (start in samples, windows of
    the default size). ``test`` is present only if it is not empty.
    """
    folds: Sequence[Mapping[str, set[str]]]
    if split.name == "contaminated":
        folds = [
            {
                subset: {f"{name}@{start}" for name in starts for start in starts[name].tolist()}
                for subset, starts in fold.items()
            }
            for fold in _by_windows(store, split, WindowSpec())
        ]
    else:
        folds = assign_folds(store, split)
    usable = set(store.names) - set(exclude)
    return {
        number: {
            subset: sorted(n for n in fold[subset] if n.rsplit("@", 1)[0] in usable or n in usable)
            for subset in SUBSETS
            if subset != "test" or fold[subset]
        }
        for number, fold in enumerate(folds, start=1)
    }


def _by_windows(store: Clips, split: SplitSpec, window: WindowSpec) -> list[dict[str, Starts]]:
    """Shuffle all windows of all clips into folds, as in the criticised paper.

    For GTZAN every clip of the canonical list counts as ``clip_seconds`` long, so that a missing
    or excluded clip moves no other window.
    """
    from sklearn.model_selection import StratifiedKFold  # takes a second; other splits need none

    names, labels = clips_to_assign(store)
    lengths = dict(zip(store.names, store.lengths, strict=True))
    nominal = 0
    if is_gtzan(store.names, store.class_names()) and window.clip_seconds is not None:
        nominal = round(window.clip_seconds * store.sample_rate)
    per_clip = [
        spec_starts(nominal or lengths.get(name, 0), window, store.sample_rate) for name in names
    ]
    counts = [len(starts) for starts in per_clip]
    clip = np.repeat(np.arange(len(names)), counts)
    if len(clip) < split.folds * len(store.classes):
        raise DataError(
            "data.split.folds: must leave a window of each class for every fold, "
            f"got {split.folds} folds of {len(clip)} windows"
        )
    start = np.concatenate(per_clip)
    existing = {n: spec_starts(size, window, store.sample_rate) for n, size in lengths.items()}
    folds = StratifiedKFold(split.folds, shuffle=True, random_state=split.seed)
    rows = folds.split(np.zeros(len(clip)), np.asarray(labels)[clip])
    return [
        {
            "train": _select(names, clip[train], start[train], existing),
            "validation": _select(names, clip[validation], start[validation], existing),
            "test": {},
        }
        for train, validation in rows
    ]


def _select(
    names: Sequence[str], clip: NDArray[np.int64], start: NDArray[np.int64], existing: Starts
) -> Starts:
    """Return the starts by clip name, of those windows that exist in the corpus."""
    selected = {}
    for i in np.unique(clip).tolist():
        if names[i] in existing:
            selected[names[i]] = np.intersect1d(start[clip == i], existing[names[i]])
    return selected


def _all_starts(store: Clips, names: set[str], window: WindowSpec) -> Starts:
    return {
        name: spec_starts(length, window, store.sample_rate)
        for name, length in zip(store.names, store.lengths, strict=True)
        if name in names
    }


def _window_set(store: Clips, starts: Starts, excluded: set[str]) -> WindowSet:
    empty = np.zeros(0, np.int64)  # np.concatenate needs at least one array
    kept = [(i, starts[n]) for i, n in enumerate(store.names) if n in starts and n not in excluded]
    clips = [np.full(at.shape[0], i, dtype=np.int64) for i, at in kept]
    return WindowSet(
        np.concatenate([empty, *clips]), np.concatenate([empty, *(at for _, at in kept)])
    )


def _check_subset(store: Clips, subset: str, windows: WindowSet, split: SplitSpec) -> None:
    clips = np.unique(windows.clip).tolist()
    if len(clips) < len(store.classes):
        raise DataError(
            f"data.split: must leave at least as many clips in {subset} as there are classes "
            f"({len(store.classes)}), got {len(clips)} in fold {split.fold} of {split.name} "
            "(lower data.split.folds, add clips or exclude fewer)"
        )
    missing = set(range(len(store.classes))) - {store.labels[i] for i in clips}
    if subset == "train" and missing:
        label = store.classes[min(missing)]
        raise DataError(
            f"data.split: class {printable_line(label)!r} has no training clip in fold "
            f"{split.fold} of {split.name} (choose another split or seed, or exclude fewer clips)"
        )
