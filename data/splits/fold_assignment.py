"""Assigning clips to training, validation and test: one function per split.

The assignment is computed over names and classes that do not change when clips are missing, faulty
or excluded: for GTZAN over its canonical list of 1,000, for another corpus over all packed clips.
"""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from genretune.data.clip_names import GTZAN_CLIPS, GTZAN_GENRES, gtzan_names, is_gtzan
from genretune.data.errors import DataError, printable_line
from genretune.data.specs import SplitSpec
from genretune.data.splits.split_file import file_folds
from genretune.data.windows import Clips

Subsets = dict[str, set[str]]
"""Clip names by subset: train, validation, test."""


def assign_folds(store: Clips, split: SplitSpec) -> list[Subsets]:
    """Return the subsets of every fold of a split by clips; names may be missing from the store.

    Raises:
        DataError: the corpus cannot be split like this.
    """
    return _BY_NAME[split.name](store, split)


def clips_to_assign(store: Clips) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names and classes over which folds are computed, in the order of names."""
    labels = store.class_names()
    if not is_gtzan(store.names, labels):
        return store.names, labels
    return gtzan_names(), tuple(g for g in GTZAN_GENRES for _ in range(GTZAN_CLIPS))


def clip_groups(store: Clips, split: SplitSpec, names: Sequence[str]) -> dict[str, str] | None:
    """Return the group of each clip by the split's pattern or column, or None without either.

    A clip without a group is a group of its own.

    Raises:
        DataError: the pattern does not match a name.
    """
    if split.group_pattern is not None:
        pattern = re.compile(split.group_pattern)
        return {name: "group " + _match_group(pattern, name) for name in names}
    known = split.groups or {}
    if not known and split.group in store.groups:
        column = store.groups[split.group]
        known = {n: value for n, value in zip(store.names, column, strict=True) if value}
    if not known:
        return None
    return {n: f"group {known[n]}" if n in known else f"clip {n}" for n in names}


def choose_test_clips(
    names: Sequence[str], labels: Sequence[str], groups: dict[str, str], share: float, seed: int
) -> set[str]:
    """Return the test subset: whole groups with about ``share`` of each class.

    No class gives more than its rounded share, except one that would have no clip at all: it gives
    its smallest group.
    """
    if share <= 0.0:
        return set()
    label_of = dict(zip(names, labels, strict=True))
    members: defaultdict[str, list[str]] = defaultdict(list)
    for name in names:
        members[groups[name]].append(name)
    # Ordered by a hash of seed and group, not shuffled: one group more or less moves few others
    # into or out of the test subset.
    order = sorted(members, key=lambda g: hashlib.sha256(f"{seed}/test/{g}".encode()).digest())
    quota = {label: max(1, int(share * n + 0.5)) for label, n in Counter(labels).items()}
    used: Counter[str] = Counter()
    test: set[str] = set()
    for group in order:
        count = Counter(label_of[name] for name in members[group])
        if all(used[label] + n <= quota[label] for label, n in count.items()):
            used += count
            test.update(members[group])
    for label in sorted(set(quota) - set(used)):
        with_label = [g for g in order if any(label_of[name] == label for name in members[g])]
        smallest = min(with_label, key=lambda g: len(members[g]))
        test.update(members[smallest])
    return test


def _stratified(store: Clips, split: SplitSpec) -> list[Subsets]:
    from sklearn.model_selection import StratifiedKFold  # takes a second; other splits need none

    names, labels = clips_to_assign(store)
    groups = clip_groups(store, split, names) or {name: name for name in names}
    test = choose_test_clips(names, labels, groups, split.test, split.seed)
    rest, rest_labels = _without(names, labels, test)
    _check_classes(labels, rest_labels, split)
    folds = StratifiedKFold(split.folds, shuffle=True, random_state=split.seed)
    rows = folds.split(np.zeros(len(rest)), np.asarray(rest_labels))
    return [_subsets(rest, validation, test) for _, validation in rows]


def _grouped(store: Clips, split: SplitSpec) -> list[Subsets]:
    from sklearn.model_selection import StratifiedGroupKFold  # takes a second

    names, labels = clips_to_assign(store)
    groups = clip_groups(store, split, names)
    if groups is None:
        raise DataError(
            f"data.split.group: must be a column of the corpus' manifest, got {split.group!r} "
            "without one (pass the manifest as --data, or set data.split.group_pattern)"
        )
    test = choose_test_clips(names, labels, groups, split.test, split.seed)
    rest, rest_labels = _without(names, labels, test)
    _check_classes(labels, rest_labels, split)
    rest_groups = [groups[name] for name in rest]
    if len(set(rest_groups)) < split.folds:
        raise DataError(
            f"data.split.folds: must be at most the number of groups, got {split.folds} folds and "
            f"{len(set(rest_groups))} groups (lower data.split.folds)"
        )
    folds = StratifiedGroupKFold(split.folds, shuffle=True, random_state=split.seed)
    rows = folds.split(np.zeros(len(rest)), np.asarray(rest_labels), np.asarray(rest_groups))
    return [_subsets(rest, validation, test) for _, validation in rows]


def _fault_filtered(store: Clips, split: SplitSpec) -> list[Subsets]:
    """Return 443/197/290 clips of GTZAN without faults and repeated artists (arXiv:1507.04761)."""
    if not is_gtzan(store.names, store.class_names()):
        raise DataError(
            "data.split.name: must not be fault-filtered for a corpus other than GTZAN, "
            f"got {len(store)} clips of {len(store.classes)} classes (use stratified or grouped)"
        )
    try:
        from torchaudio.datasets import gtzan  # its import takes a second and needs all of torch
    except (ImportError, OSError) as error:
        raise DataError(
            "data.split.name: fault-filtered needs torchaudio's lists, "
            f"got {printable_line(error)} (install torchaudio)"
        ) from None
    return [
        {
            "train": set(gtzan.filtered_train),
            "validation": set(gtzan.filtered_valid),
            "test": set(gtzan.filtered_test),
        }
    ]


_BY_NAME: dict[str, Callable[[Clips, SplitSpec], list[Subsets]]] = {
    "stratified": _stratified,
    "grouped": _grouped,
    "fault-filtered": _fault_filtered,
    "file": file_folds,
}


def _match_group(pattern: re.Pattern[str], name: str) -> str:
    match = pattern.search(name)
    if match is None or match.group(1) is None:
        raise DataError(
            "data.split.group_pattern: must match every clip's name, "
            f"got no match in {printable_line(name)!r}"
        )
    return match.group(1)


def _without(
    names: Sequence[str], labels: Sequence[str], removed: set[str]
) -> tuple[list[str], list[str]]:
    rest = [i for i, name in enumerate(names) if name not in removed]
    return [names[i] for i in rest], [labels[i] for i in rest]


def _check_classes(labels: Sequence[str], rest: Sequence[str], split: SplitSpec) -> None:
    """Check that every class has a clip for every fold, outside test."""
    count = Counter(rest)
    label, least = min(((c, count[c]) for c in set(labels)), key=lambda item: (item[1], item[0]))
    if least < split.folds:
        raise DataError(
            "data.split.folds: must be at most the number of clips in the smallest class, "
            f"got {split.folds} folds and {least} clips of {printable_line(label)!r} "
            "(lower data.split.folds or add clips)"
        )


def _subsets(names: Sequence[str], validation: Sequence[int], test: set[str]) -> Subsets:
    chosen = {names[i] for i in validation}
    return {"train": set(names) - chosen, "validation": chosen, "test": set(test)}
