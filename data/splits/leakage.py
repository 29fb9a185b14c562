"""The leakage check: no clip, group or recording may be in two subsets of a fold.

Compared are training, validation and test: the same clip, the same group, the same recording
(equal samples, or the same at another gain, offset or codec). A search on a leaking split picks
the wrong winner, so it does not start unless the policy allows it.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Literal

import numpy as np

from genretune.data.arrow_file import Store
from genretune.data.duplicates.store_duplicates import store_duplicates
from genretune.data.errors import DataError, printable_line
from genretune.data.specs import SplitSpec
from genretune.data.splits.fold_assignment import clip_groups
from genretune.data.splits.fold_windows import SUBSETS, FoldWindows

LeakagePolicy = Literal["error", "warn", "off"]


@dataclass(frozen=True)
class Leak:
    """A clip, group or recording in two subsets; its fields are stored in a sweep's record.

    Attributes:
        what: the clip's name, ``COLUMN GROUP``, or ``the same recording``.
        sides: the two subsets.
        names: a clip of each.
    """

    kind: Literal["clip", "group", "duplicate"]
    what: str
    sides: tuple[str, str]
    names: tuple[str, str]


@dataclass(frozen=True)
class LeakageReport:
    """Leaks between the subsets of a fold; ``accepted`` if the split leaks by design."""

    leaks: tuple[Leak, ...]
    accepted: bool
    split: str

    def as_json(self) -> dict[str, object]:
        """Return the report as a sweep's record stores it."""
        return {
            "split": self.split,
            "accepted": self.accepted,
            "leaks": [asdict(leak) for leak in self.leaks],
        }

    def message(self) -> str:
        """Return one line that names the leaks and the remedy; empty without leaks."""
        if not self.leaks:
            return ""
        found = []
        for kind in ("clip", "group", "duplicate"):
            leaks = [leak for leak in self.leaks if leak.kind == kind]
            if leaks:
                plural = "" if len(leaks) == 1 else "s"
                a, b = (printable_line(name) for name in leaks[0].names)
                subsets = " and ".join(leaks[0].sides)
                found.append(
                    f"{len(leaks)} {kind}{plural} in two of them ({a} and {b} in {subsets})"
                )
        return (
            "data.leakage: train, validation and test must share no clip, group or recording, "
            f"got {', '.join(found)} ({self._remedy()}; or data.leakage: warn)"
        )

    def _remedy(self) -> str:
        kinds = {leak.kind for leak in self.leaks}
        if self.split == "file":
            return "correct the split file" + (
                ", add data.exclude: [faults, duplicates]" if "duplicate" in kinds else ""
            )
        remedies = []
        if "group" in kinds or "clip" in kinds:
            remedies.append("set data.split.name: grouped")
        if "duplicate" in kinds:
            remedies.append("add data.exclude: [faults, duplicates]")
        return " and ".join(remedies)


def check_leakage(store: Store, windows: FoldWindows, split: SplitSpec) -> LeakageReport:
    """Compare the subsets of one fold and report what they share."""
    clips = {subset: _clips(store, windows, subset) for subset in SUBSETS}
    leaks: list[Leak] = []
    for pair in combinations(SUBSETS, 2):
        one, other = pair
        leaks += [
            Leak("clip", name, pair, (name, name)) for name in sorted(clips[one] & clips[other])
        ]
        leaks += _shared_groups(store, split, pair, clips)
        same_recording = store_duplicates(store).pairs_across(clips[one], clips[other])
        leaks += [Leak("duplicate", "the same recording", pair, names) for names in same_recording]
    return LeakageReport(tuple(leaks), split.leaks and split.i_know_this_leaks, split.name)


def enforce_leakage_policy(
    store: Store, windows: FoldWindows, split: SplitSpec, policy: LeakagePolicy
) -> LeakageReport:
    """Check one fold for leaks and return the report, which is empty for the policy ``off``.

    Raises:
        DataError: the policy is ``error``, and the split leaks other than by design.
    """
    if policy == "off":
        return LeakageReport((), split.leaks, split.name)
    report = check_leakage(store, windows, split)
    if report.leaks and policy == "error" and not report.accepted:
        raise DataError(report.message())
    return report


def _clips(store: Store, windows: FoldWindows, subset: str) -> set[str]:
    sets = {"train": windows.train, "validation": windows.validation, "test": windows.test}
    return {store.names[i] for i in np.unique(sets[subset].clip).tolist()}


def _shared_groups(
    store: Store, split: SplitSpec, pair: tuple[str, str], clips: dict[str, set[str]]
) -> Iterator[Leak]:
    """Yield groups in both subsets, by the split's own groups and the columns group and track."""
    for column, group_of in _groupings(store, split):
        # Reversed, so that the clip named for each group is the first by name.
        one, other = (
            {group_of[n]: n for n in sorted(clips[subset], reverse=True) if n in group_of}
            for subset in pair
        )
        for group in sorted(one.keys() & other.keys()):
            if one[group] != other[group]:
                yield Leak("group", f"{column} {group}", pair, (one[group], other[group]))


def _groupings(store: Store, split: SplitSpec) -> Iterator[tuple[str, dict[str, str]]]:
    own = clip_groups(store, split, store.names)
    if own is not None:
        yield split.group, own
    for column in ("group", "track"):
        if column in store.groups and (column != split.group or split.group_pattern):
            values = zip(store.names, store.groups[column], strict=True)
            yield column, {name: value for name, value in values if value}
