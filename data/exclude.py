"""Which clips take no part: the rules `faults` and `duplicates`, or clips by name."""

from collections.abc import Sequence

from genretune.data.arrow_file import Store
from genretune.data.errors import DataError, shown
from genretune.data.name_suggestions import did_you_mean
from genretune.data.store_duplicates import store_duplicates

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
        left = [name for name in store.names if name not in out]
        out.update(store_duplicates(store).superfluous(left))
    return tuple(sorted(out))


def _named(store: Store, name: str) -> str:
    if name in store.names:
        return name
    hint = did_you_mean(name, [*RULES, *store.names])
    raise DataError(
        f"data.exclude: faults, duplicates or a clip's name, got {shown(name)!r} ({hint})"
    )


def _no_faults_left(store: Store, faulty: set[str]) -> None:
    """A faulty clip stops a search; the hint names all that will be needed, not half of it."""
    if not faulty:
        return
    i = store.names.index(min(faulty))
    more = f" and {len(faulty) - 1} more" if len(faulty) > 1 else ""
    rules = "faults, duplicates" if store_duplicates(store) else "faults"
    raise DataError(
        f"data: clips that can be used, got {shown(store.files[i])} ({store.faults[i]}: "
        f"{shown(store.details[i])}){more} (add data.exclude: [{rules}])"
    )
