"""Which clips train and which validate, and the windows that follow."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.model_selection import StratifiedKFold

from genretune.data.arrow_file import Store
from genretune.data.errors import DataError, shown
from genretune.data.names import GTZAN_CLIPS, GTZAN_GENRES, gtzan_names, is_gtzan
from genretune.data.specs import SplitSpec, WindowSpec
from genretune.data.windows import WindowSet, spec_starts

Parts = dict[str, set[str]]
"""Clip names by part: train, validation, test."""


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

    Errors: DataError when a part is empty, or validation has fewer clips than classes.
    """
    parts = _fold(store, split, split.fold)
    gone = set(exclude)
    sets = {part: _windows(store, names - gone, window) for part, names in parts.items()}
    _check_part(store, "train", parts["train"] - gone, split)
    _check_part(store, "validation", parts["validation"] - gone, split)
    used = set().union(*parts.values()) | gone
    unused = tuple(name for name in store.names if name not in used)
    return FoldWindows(sets["train"], sets["validation"], sets["test"], unused)


def split_clips(
    store: Store, split: SplitSpec, exclude: Sequence[str]
) -> dict[int, dict[str, list[str]]]:
    """Fold number -> part -> canonical names, sorted; for people and scripts to look at."""
    gone = set(exclude)
    return {
        fold: {
            part: sorted(names - gone)
            for part, names in _fold(store, split, fold).items()
            if names or part != "test"
        }
        for fold in range(1, split.folds + 1)
    }


def _fold(store: Store, split: SplitSpec, fold: int) -> Parts:
    if split.name != "stratified" or split.test:
        raise DataError(f"data.split.name: stratified without test, got {split.name!r}")
    names, labels = decided_on(store)
    validation = _stratified(names, labels, split)[fold - 1]
    here = set(store.names)
    return {"train": here - validation, "validation": here & validation, "test": set()}


def decided_on(store: Store) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names and classes that memberships are decided on.

    For GTZAN the canonical 1,000, so that a missing clip moves no other; else all clips of the
    store, the faulty and excluded ones too.
    """
    labels = store.class_names()
    if not is_gtzan(store.names, labels):
        return store.names, labels
    return gtzan_names(), tuple(g for g in GTZAN_GENRES for _ in range(GTZAN_CLIPS))


def _stratified(names: Sequence[str], labels: Sequence[str], split: SplitSpec) -> list[set[str]]:
    """Validation names of each fold, by scikit-learn's StratifiedKFold over the sorted names."""
    label, least = min(Counter(labels).items(), key=lambda item: (item[1], item[0]))
    if least < split.folds:
        raise DataError(
            f"data.split.folds: at most the clips of the smallest class, got {split.folds} folds "
            f"and {least} clips of {shown(label)!r} (lower data.split.folds or add clips)"
        )
    folds = StratifiedKFold(split.folds, shuffle=True, random_state=split.seed)
    rows = folds.split(np.zeros(len(names)), np.asarray(labels))
    return [{names[i] for i in validation} for _, validation in rows]


def _windows(store: Store, names: set[str], window: WindowSpec) -> WindowSet:
    clips, starts = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for i, name in enumerate(store.names):
        if name in names:
            start = spec_starts(store.lengths[i], window, store.sample_rate)
            starts.append(start)
            clips.append(np.full(start.shape[0], i, dtype=np.int64))
    return WindowSet(np.concatenate(clips), np.concatenate(starts))


def _check_part(store: Store, part: str, names: set[str], split: SplitSpec) -> None:
    clips = sum(
        length > 0 for n, length in zip(store.names, store.lengths, strict=True) if n in names
    )
    if clips < len(store.classes):
        raise DataError(
            f"data.split: at least as many clips in {part} as there are classes "
            f"({len(store.classes)}), got {clips} in fold {split.fold} of {split.name} "
            "(lower data.split.folds, add clips or exclude fewer)"
        )
