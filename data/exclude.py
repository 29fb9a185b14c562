"""Which clips take no part: the rules `faults` and `duplicates`, or clips by name."""

import difflib
from collections.abc import Sequence

from genretune.data.arrow_file import Store
from genretune.data.errors import DataError, shown

RULES = ("faults", "duplicates")


def resolve_exclusions(store: Store, rules: Sequence[str]) -> tuple[str, ...]:
    """Canonical names of the excluded clips, sorted.

    A rule is `faults` (clips that cannot be used), `duplicates` (keeps one of each, the first by
    name) or a clip's name. Errors: DataError for an unknown name, and for a faulty clip that no
    rule excludes.
    """
    out: set[str] = set()
    for rule in rules:
        if rule not in RULES:
            out.add(_named(store, rule))
    faulty = {n for n, fault in zip(store.names, store.faults, strict=True) if fault}
    if "faults" in rules:
        out |= faulty
    _no_faults_left(store, faulty - out)
    if "duplicates" in rules:
        out |= _duplicates(store, out)
    return tuple(sorted(out))


def _named(store: Store, name: str) -> str:
    if name in store.names:
        return name
    near = difflib.get_close_matches(name, [*RULES, *store.names], n=1)
    hint = f"did you mean {near[0]!r}?" if near else "see genretune data scan"
    raise DataError(f"data.exclude: faults, duplicates or a clip, got {shown(name)!r} ({hint})")


def _no_faults_left(store: Store, faulty: set[str]) -> None:
    if not faulty:
        return
    i = store.names.index(min(faulty))
    more = f" and {len(faulty) - 1} more" if len(faulty) > 1 else ""
    raise DataError(
        f"data: clips that can be used, got {shown(store.files[i])} ({store.faults[i]}: "
        f"{shown(store.details[i])}){more} (add data.exclude: [faults])"
    )


def _duplicates(store: Store, gone: set[str]) -> set[str]:
    kept: dict[str, str] = {}
    out = set()
    for name, digest, length in zip(store.names, store.sha256, store.lengths, strict=True):
        if name in gone or length == 0:
            continue
        if kept.setdefault(digest, name) != name:
            out.add(name)
    return out
