"""Which clips train, validate and are held out: one function a split.

Memberships are decided on names and classes that do not change when clips are missing, faulty or
excluded: for GTZAN on its canonical list of 1,000, for another corpus on all clips of its pack.
"""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from genretune.data.arrow_file import Store
from genretune.data.clip_names import GTZAN_CLIPS, GTZAN_GENRES, gtzan_names, is_gtzan
from genretune.data.errors import DataError, shown
from genretune.data.specs import SplitSpec
from genretune.data.split_file import file_folds

Parts = dict[str, set[str]]
"""Clip names by part: train, validation, test."""


def fold_members(store: Store, split: SplitSpec) -> list[Parts]:
    """The parts of every fold of a split by clips; names need not be in the store.

    Errors: DataError when the corpus cannot be split so.
    """
    return _BY_NAME[split.name](store, split)


def decided_on(store: Store) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names and classes that memberships are decided on, in order of names."""
    labels = store.class_names()
    if not is_gtzan(store.names, labels):
        return store.names, labels
    return gtzan_names(), tuple(g for g in GTZAN_GENRES for _ in range(GTZAN_CLIPS))


def groups_of(store: Store, split: SplitSpec, names: Sequence[str]) -> dict[str, str] | None:
    """The group of each name by the split's pattern or column, or None when there is neither.

    A clip without a group is one of its own. Errors: DataError for a name that the pattern
    does not match.
    """
    if split.group_pattern is not None:
        pattern = re.compile(split.group_pattern)
        return {name: "group " + _matched(pattern, name) for name in names}
    given = split.groups or {}
    if not given and split.group in store.groups:
        column = store.groups[split.group]
        given = {n: value for n, value in zip(store.names, column, strict=True) if value}
    if not given:
        return None
    return {n: f"group {given[n]}" if n in given else f"clip {n}" for n in names}


def held_out(
    names: Sequence[str], labels: Sequence[str], groups: dict[str, str], share: float, seed: int
) -> set[str]:
    """The test part: about `share` of each class, whole groups, never more than rounding gives.

    Groups come in an order that is a hash of seed and group, so that one group more or less
    moves few others. A class that this leaves without any clip gives its smallest group.
    """
    if share <= 0.0:
        return set()
    label_of = dict(zip(names, labels, strict=True))
    members: defaultdict[str, list[str]] = defaultdict(list)
    for name in names:
        members[groups[name]].append(name)
    order = sorted(members, key=lambda g: hashlib.sha256(f"{seed}/test/{g}".encode()).digest())
    quota = {label: max(1, int(share * n + 0.5)) for label, n in Counter(labels).items()}
    taken: Counter[str] = Counter()
    out: set[str] = set()
    for group in order:
        count = Counter(label_of[name] for name in members[group])
        if all(taken[label] + n <= quota[label] for label, n in count.items()):
            taken += count
            out.update(members[group])
    for label in sorted(set(quota) - set(taken)):
        holding = [g for g in order if any(label_of[name] == label for name in members[g])]
        smallest = min(holding, key=lambda g: len(members[g]))
        out.update(members[smallest])
    return out


def _stratified(store: Store, split: SplitSpec) -> list[Parts]:
    names, labels = decided_on(store)
    groups = groups_of(store, split, names) or {name: name for name in names}
    test = held_out(names, labels, groups, split.test, split.seed)
    left, left_labels = _without(names, labels, test)
    _check_classes(labels, left_labels, split)
    folds = StratifiedKFold(split.folds, shuffle=True, random_state=split.seed)
    rows = folds.split(np.zeros(len(left)), np.asarray(left_labels))
    return [_parts(left, validation, test) for _, validation in rows]


def _grouped(store: Store, split: SplitSpec) -> list[Parts]:
    names, labels = decided_on(store)
    groups = groups_of(store, split, names)
    if groups is None:
        raise DataError(
            f"data.split.group: a manifest with the column {split.group!r}, got none (name the "
            "manifest as --data, or set data.split.group_pattern)"
        )
    test = held_out(names, labels, groups, split.test, split.seed)
    left, left_labels = _without(names, labels, test)
    _check_classes(labels, left_labels, split)
    left_groups = [groups[name] for name in left]
    if len(set(left_groups)) < split.folds:
        raise DataError(
            f"data.split.folds: at most as many folds as groups, got {split.folds} folds and "
            f"{len(set(left_groups))} groups (lower data.split.folds)"
        )
    folds = StratifiedGroupKFold(split.folds, shuffle=True, random_state=split.seed)
    rows = folds.split(np.zeros(len(left)), np.asarray(left_labels), np.asarray(left_groups))
    return [_parts(left, validation, test) for _, validation in rows]


def _fault_filtered(store: Store, split: SplitSpec) -> list[Parts]:
    """443/197/290 clips of GTZAN without faults and repeated artists (arXiv:1507.04761)."""
    if not is_gtzan(store.names, store.class_names()):
        raise DataError(
            f"data.split.name: fault-filtered for GTZAN only, got another corpus "
            f"({len(store)} clips, {len(store.classes)} classes) (use stratified or grouped)"
        )
    try:
        from torchaudio.datasets import gtzan  # its import takes a second and needs all of torch
    except (ImportError, OSError) as error:
        raise DataError(
            f"data.split.name: fault-filtered needs torchaudio's lists, got {shown(error)} "
            "(install torchaudio)"
        ) from None
    return [
        {
            "train": set(gtzan.filtered_train),
            "validation": set(gtzan.filtered_valid),
            "test": set(gtzan.filtered_test),
        }
    ]


_BY_NAME: dict[str, Callable[[Store, SplitSpec], list[Parts]]] = {
    "stratified": _stratified,
    "grouped": _grouped,
    "fault-filtered": _fault_filtered,
    "file": file_folds,
}


def _matched(pattern: re.Pattern[str], name: str) -> str:
    found = pattern.search(name)
    if found is None or found.group(1) is None:
        raise DataError(
            f"data.split.group_pattern: a match in every clip's name, got none in {shown(name)!r}"
        )
    return found.group(1)


def _without(
    names: Sequence[str], labels: Sequence[str], gone: set[str]
) -> tuple[list[str], list[str]]:
    left = [i for i, name in enumerate(names) if name not in gone]
    return [names[i] for i in left], [labels[i] for i in left]


def _check_classes(labels: Sequence[str], left: Sequence[str], split: SplitSpec) -> None:
    """Every class has a clip for every fold."""
    count = Counter(left)
    label, least = min(((c, count[c]) for c in set(labels)), key=lambda item: (item[1], item[0]))
    if least < split.folds:
        raise DataError(
            f"data.split.folds: at most the clips of the smallest class, got {split.folds} folds "
            f"and {least} clips of {shown(label)!r} (lower data.split.folds or add clips)"
        )


def _parts(names: Sequence[str], validation: Sequence[int], test: set[str]) -> Parts:
    chosen = {names[i] for i in validation}
    return {"train": set(names) - chosen, "validation": chosen, "test": set(test)}
