"""Excluding clips by the rules ``faults`` and ``duplicates``, or by name."""

from collections.abc import Sequence

from genretune.data.arrow_file import Store
from genretune.data.duplicates.store_duplicates import store_duplicates
from genretune.data.errors import DataError, printable_line
from genretune.data.name_suggestions import did_you_mean

RULES = ("faults", "duplicates")


def resolve_exclusions(store: Store, rules: Sequence[str]) -> tuple[str, ...]:
    """Return the canonical names of the excluded clips, sorted.

    Args:
        rules: each is ``faults`` (unusable clips), ``duplicates`` (all but one clip of each
            recording; the first by name stays) or a clip's name.

    Raises:
        DataError: a name is unknown, or an unusable clip is not excluded by any rule.
    """
    excluded: set[str] = set()
    for rule in rules:
        if rule not in RULES:
            excluded.add(_clip_name(store, rule))
    faulty = {n for n, fault in zip(store.names, store.faults, strict=True) if fault}
    if "faults" in rules:
        excluded |= faulty
    _require_usable(store, faulty - excluded)
    # Duplicates come last: a clip excluded for another reason must not be the one that stays.
    if "duplicates" in rules:
        remaining = [name for name in store.names if name not in excluded]
        excluded.update(store_duplicates(store).redundant(remaining))
    return tuple(sorted(excluded))


def _clip_name(store: Store, name: str) -> str:
    if name in store.names:
        return name
    hint = did_you_mean(name, [*RULES, *store.names])
    raise DataError(
        "data.exclude: must be faults, duplicates or a clip's name, "
        f"got {printable_line(name)!r} ({hint})"
    )


def _require_usable(store: Store, faulty: set[str]) -> None:
    """Raise DataError for the first of ``faulty``, with a hint that lists every rule needed."""
    if not faulty:
        return
    i = store.names.index(min(faulty))
    more = f" and {len(faulty) - 1} more" if len(faulty) > 1 else ""
    # Naming both rules now saves the user a second failed start because of the duplicates.
    rules = "faults, duplicates" if store_duplicates(store) else "faults"
    raise DataError(
        f"data: unusable clip {printable_line(store.files[i])} ({store.faults[i]}: "
        f"{printable_line(store.details[i])}){more} (add data.exclude: [{rules}])"
    )
