"""The windows of a fold: split by clips (or, contaminated, by windows), less what is excluded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold

from genretune.data.arrow_file import Store
from genretune.data.clip_names import is_gtzan
from genretune.data.errors import DataError, shown
from genretune.data.fold_assignment import Parts, decided_on, fold_members
from genretune.data.specs import SplitSpec, WindowSpec
from genretune.data.windows import WindowSet, spec_starts

PARTS = ("train", "validation", "test")

Starts = dict[str, NDArray[np.int64]]
"""Starts of windows by clip name."""


@dataclass(frozen=True)
class FoldWindows:
    """Windows of one fold; `unused` names clips that are in no part (short of the excluded)."""

    train: WindowSet
    validation: WindowSet
    test: WindowSet
    unused: tuple[str, ...] = ()


def fold_windows(
    store: Store, *, split: SplitSpec, window: WindowSpec, exclude: Sequence[str]
) -> FoldWindows:
    """The windows that train, validate and are held out in fold `split.fold`.

    Errors: DataError when train or validation has fewer clips than there are classes, when a
    class has no training clip, or when the corpus cannot be split so.
    """
    if split.name == "contaminated":
        starts = _by_windows(store, split, window)[split.fold - 1]
    else:
        parts = fold_members(store, split)[split.fold - 1]
        starts = {part: _all_starts(store, names, window) for part, names in parts.items()}
    gone = set(exclude)
    sets = {part: _window_set(store, starts[part], gone) for part in PARTS}
    for part in ("train", "validation"):
        _check_part(store, part, sets[part], split)
    used = gone.union(*starts.values())
    unused = tuple(name for name in store.names if name not in used)
    return FoldWindows(sets["train"], sets["validation"], sets["test"], unused)


def split_clips(
    store: Store, split: SplitSpec, exclude: Sequence[str]
) -> dict[int, dict[str, list[str]]]:
    """Fold number -> part -> canonical names, sorted; for people and scripts to look at.

    Contaminated splits windows, so its entries are `name@start` (start in samples, windows of
    the default size). `test` is there when something is held out.
    """
    folds: Sequence[Mapping[str, set[str]]]
    if split.name == "contaminated":
        folds = [
            {part: {f"{n}@{s}" for n in of for s in of[n].tolist()} for part, of in fold.items()}
            for fold in _by_windows(store, split, WindowSpec())
        ]
    else:
        folds = fold_members(store, split)
    here = set(store.names) - set(exclude)
    return {
        number: {
            part: sorted(n for n in fold[part] if n.rsplit("@", 1)[0] in here or n in here)
            for part in PARTS
            if part != "test" or fold[part]
        }
        for number, fold in enumerate(folds, start=1)
    }


def _by_windows(store: Store, split: SplitSpec, window: WindowSpec) -> list[dict[str, Starts]]:
    """All windows of all clips shuffled into folds, as in the criticised paper.

    For GTZAN every clip of the canonical list counts as one of clip_seconds, so that a missing
    or excluded clip moves no other window.
    """
    names, labels = decided_on(store)
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
            f"data.split.folds: at most the windows of a class, got {split.folds} folds of "
            f"{len(clip)} windows"
        )
    start = np.concatenate(per_clip)
    there = {n: spec_starts(size, window, store.sample_rate) for n, size in lengths.items()}
    folds = StratifiedKFold(split.folds, shuffle=True, random_state=split.seed)
    rows = folds.split(np.zeros(len(clip)), np.asarray(labels)[clip])
    return [
        {
            "train": _chosen(names, clip[train], start[train], there),
            "validation": _chosen(names, clip[validation], start[validation], there),
            "test": {},
        }
        for train, validation in rows
    ]


def _chosen(
    names: Sequence[str], clip: NDArray[np.int64], start: NDArray[np.int64], there: Starts
) -> Starts:
    """Starts by clip name, of the windows that exist."""
    chosen = {}
    for i in np.unique(clip).tolist():
        if names[i] in there:
            chosen[names[i]] = np.intersect1d(start[clip == i], there[names[i]])
    return chosen


def _all_starts(store: Store, names: set[str], window: WindowSpec) -> Starts:
    return {
        name: spec_starts(length, window, store.sample_rate)
        for name, length in zip(store.names, store.lengths, strict=True)
        if name in names
    }


def _window_set(store: Store, starts: Starts, gone: set[str]) -> WindowSet:
    nothing = np.zeros(0, np.int64)
    kept = [(i, starts[n]) for i, n in enumerate(store.names) if n in starts and n not in gone]
    clips = [np.full(at.shape[0], i, dtype=np.int64) for i, at in kept]
    return WindowSet(
        np.concatenate([nothing, *clips]), np.concatenate([nothing, *(at for _, at in kept)])
    )


def _check_part(store: Store, part: str, windows: WindowSet, split: SplitSpec) -> None:
    clips = np.unique(windows.clip).tolist()
    if len(clips) < len(store.classes):
        raise DataError(
            f"data.split: at least as many clips in {part} as there are classes "
            f"({len(store.classes)}), got {len(clips)} in fold {split.fold} of {split.name} "
            "(lower data.split.folds, add clips or exclude fewer)"
        )
    missing = set(range(len(store.classes))) - {store.labels[i] for i in clips}
    if part == "train" and missing:
        label = store.classes[min(missing)]
        raise DataError(
            f"data.split: a training clip of every class, got none of {shown(label)!r} in fold "
            f"{split.fold} of {split.name} (choose another split or seed, or exclude fewer)"
        )


__all__ = ["FoldWindows", "Parts", "fold_windows", "split_clips"]
