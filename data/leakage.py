"""The leakage gate: nothing that is in one part of a fold may be in another.

Checked between train, validation and test: the same clip, the same group, the same recording
(equal samples, or the same at another gain, offset or codec). A tuner that leaks picks the wrong
winner, so a search does not start unless it is told to.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Literal

import numpy as np

from genretune.data.arrow_file import Store
from genretune.data.errors import DataError, shown
from genretune.data.fold_assignment import groups_of
from genretune.data.specs import SplitSpec
from genretune.data.splits import PARTS, FoldWindows
from genretune.data.store_duplicates import store_duplicates

LeakagePolicy = Literal["error", "warn", "off"]


@dataclass(frozen=True)
class Leak:
    """One thing on two sides: clip, group or duplicate; `names` are the clips, one a side."""

    kind: Literal["clip", "group", "duplicate"]
    what: str
    sides: tuple[str, str]
    names: tuple[str, str]


@dataclass(frozen=True)
class LeakageReport:
    """What was found between which sides; `accepted` when the split is meant to leak."""

    leaks: tuple[Leak, ...]
    accepted: bool
    split: str

    def as_json(self) -> dict[str, object]:
        """For a sweep's record."""
        return {
            "split": self.split,
            "accepted": self.accepted,
            "leaks": [asdict(leak) for leak in self.leaks],
        }

    def message(self) -> str:
        """One line that names what leaks and the fix; empty when nothing does."""
        if not self.leaks:
            return ""
        told = []
        for kind, words in (("clip", "clips"), ("group", "groups"), ("duplicate", "duplicates")):
            of_kind = [leak for leak in self.leaks if leak.kind == kind]
            if of_kind:
                first = of_kind[0]
                a, b = (shown(name) for name in first.names)
                sides = " and ".join(first.sides)
                told.append(f"{len(of_kind)} {words} on two sides ({a} and {b} in {sides})")
        return (
            f"data.leakage: nothing on two sides of a fold, got {', '.join(told)} "
            f"({self._fix()}; or data.leakage: warn)"
        )

    def _fix(self) -> str:
        kinds = {leak.kind for leak in self.leaks}
        if self.split == "file":
            return "mend the split's file" + (
                ", add data.exclude: [faults, duplicates]" if "duplicate" in kinds else ""
            )
        fixes = []
        if "group" in kinds or "clip" in kinds:
            fixes.append("set data.split.name: grouped")
        if "duplicate" in kinds:
            fixes.append("add data.exclude: [faults, duplicates]")
        return " and ".join(fixes)


def check_leakage(store: Store, windows: FoldWindows, split: SplitSpec) -> LeakageReport:
    """Compare the sides of one fold."""
    sides = {part: _names(store, windows, part) for part in PARTS}
    leaks: list[Leak] = []
    for one, other in combinations(PARTS, 2):
        pair = (one, other)
        shared = sorted(sides[one] & sides[other])
        leaks += [Leak("clip", name, pair, (name, name)) for name in shared]
        leaks += _shared_groups(store, split, pair, sides)
        twice = store_duplicates(store).between(sides[one], sides[other])
        leaks += [Leak("duplicate", "the same recording", pair, found) for found in twice]
    return LeakageReport(tuple(leaks), split.leaks and split.i_know_this_leaks, split.name)


def gate(
    store: Store, windows: FoldWindows, split: SplitSpec, level: LeakagePolicy
) -> LeakageReport:
    """The report; empty for level off. Errors: DataError for leaks at level error."""
    if level == "off":
        return LeakageReport((), split.leaks, split.name)
    report = check_leakage(store, windows, split)
    if report.leaks and level == "error" and not report.accepted:
        raise DataError(report.message())
    return report


def _names(store: Store, windows: FoldWindows, part: str) -> set[str]:
    sets = {"train": windows.train, "validation": windows.validation, "test": windows.test}
    return {store.names[i] for i in np.unique(sets[part].clip).tolist()}


def _shared_groups(
    store: Store, split: SplitSpec, pair: tuple[str, str], sides: dict[str, set[str]]
) -> Iterator[Leak]:
    """Groups on both sides, by the split's own groups and the columns group and track."""
    for column, group_of in _groupings(store, split):
        one, other = (
            {group_of[n]: n for n in sorted(sides[side], reverse=True) if n in group_of}
            for side in pair
        )
        for group in sorted(one.keys() & other.keys()):
            if one[group] != other[group]:
                yield Leak("group", f"{column} {group}", pair, (one[group], other[group]))


def _groupings(store: Store, split: SplitSpec) -> Iterator[tuple[str, dict[str, str]]]:
    own = groups_of(store, split, store.names)
    if own is not None:
        yield split.group, own
    for column in ("group", "track"):
        if column in store.groups and (column != split.group or split.group_pattern):
            values = zip(store.names, store.groups[column], strict=True)
            yield column, {name: value for name, value in values if value}
