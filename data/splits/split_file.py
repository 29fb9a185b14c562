"""Splits by a user's table, or by the columns split and fold of the corpus' manifest.

Columns ``file`` and ``split`` (train, validation, test) or ``fold`` (whole numbers; the smallest
is fold 1), optionally ``group``. With both, rows of split ``test`` form the test subset and the
others are assigned by fold. Clips that are not listed are not used.
"""

from collections import defaultdict
from pathlib import Path, PurePosixPath

from genretune.data.clip_names import canonical_name, gtzan_names, is_gtzan
from genretune.data.errors import DataError, printable_line
from genretune.data.name_suggestions import did_you_mean
from genretune.data.specs import SplitSpec
from genretune.data.windows import Clips

SUBSET_SPELLINGS = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}
"""Accepted spellings of the three subsets."""


def resolve_split(split: SplitSpec, store: Clips, base: Path | None = None) -> SplitSpec:
    """Return the split with the contents of its file in it, so that the file is needed no more.

    Other splits than ``file`` are returned unchanged and unchecked. The number of folds is the
    file's.

    Args:
        base: folder that a relative ``file`` is relative to (default: the working directory).

    Raises:
        DataError: the file is invalid, or contradicts ``folds``.
    """
    if split.name != "file":
        return split
    values = split.model_dump(exclude_unset=True)
    if split.file is not None:
        members, groups = _read(Path(base or Path()) / split.file, store)
        values |= {"members": members, "groups": groups or None, "file": None}
    elif split.members is None:
        members = _from_manifest(store)
    else:
        members = split.members
    folds = len(_numbers(members)) or 1
    if "folds" in split.model_fields_set and split.folds != folds:
        raise DataError(f"data.split.folds: must be {folds} as in the file, got {split.folds}")
    return SplitSpec.model_validate(values | {"folds": folds})


def file_folds(store: Clips, split: SplitSpec) -> list[dict[str, set[str]]]:
    """Return the clip names by subset, one entry per fold.

    Raises:
        DataError: the split was not resolved, or its fold does not exist.
    """
    if split.members is None and split.file is not None:
        raise DataError(
            "data.split.file: must be read into data.split.members first, got only a path"
        )
    by_value: defaultdict[str, set[str]] = defaultdict(set)
    for name, value in (split.members or _from_manifest(store)).items():
        by_value[value].add(name)
    test, numbers = by_value["test"], _numbers(by_value)
    if not numbers:
        return [{"train": by_value["train"], "validation": by_value["validation"], "test": test}]
    if split.fold > len(numbers):
        raise DataError(
            f"data.split.fold: must be from 1 to the {len(numbers)} folds of the file, "
            f"got {split.fold}"
        )
    folded = [by_value[str(number)] for number in numbers]
    in_folds = set().union(*folded)
    return [{"train": in_folds - one, "validation": one, "test": test} for one in folded]


def _numbers(values: dict[str, str] | defaultdict[str, set[str]]) -> list[int]:
    """Return the fold numbers among members' values or among values themselves, rising."""
    distinct = set(values) if isinstance(values, defaultdict) else set(values.values())
    return sorted(int(value) for value in distinct if value not in ("train", "validation", "test"))


def _read(path: Path, store: Clips) -> tuple[dict[str, str], dict[str, str]]:
    from genretune.data.manifest import read_table, require_columns  # needs Arrow, for Parquet

    where = "data.split.file"
    columns, rows = read_table(path, where)
    require_columns(columns, ("file",), path, where)
    if "split" not in columns and "fold" not in columns:
        raise DataError(
            f"{where}: must have a column 'split' or 'fold', got neither in {printable_line(path)}"
        )
    clip_name = _ClipLookup(store)
    members: dict[str, str] = {}
    groups: dict[str, str] = {}
    for number, row in enumerate(rows, start=2):
        if "file" not in row:
            raise DataError(f"{where}: must have a file in every row, got none in line {number}")
        name = clip_name(row["file"])
        if name in members:
            raise DataError(
                f"{where}: must list each clip once, got {printable_line(name)!r} again "
                f"in line {number}"
            )
        members[name] = _membership(row, f"{where}: line {number}")
        if "group" in row:
            groups[name] = row["group"]
    _check_kinds(members, where)
    return members, groups


def _from_manifest(store: Clips) -> dict[str, str]:
    where = "data.split.name: file"
    if "split" not in store.groups and "fold" not in store.groups:
        raise DataError(
            f"{where}: must have data.split.file, or a manifest with the column 'split' or "
            "'fold', got neither"
        )
    empty = (None,) * len(store)
    rows = zip(
        store.names, store.groups.get("split", empty), store.groups.get("fold", empty), strict=True
    )
    members = {
        name: _membership(
            {k: v for k, v in (("split", subset), ("fold", fold)) if v}, f"{where}: {name}"
        )
        for name, subset, fold in rows
        if subset or fold
    }
    _check_kinds(members, where)
    return members


def _membership(row: dict[str, str], where: str) -> str:
    """Return train, validation, test, or the number of a fold."""
    subset = row.get("split")
    if subset is not None:
        known = SUBSET_SPELLINGS.get(subset.lower())
        if known is None:
            hint = did_you_mean(subset, SUBSET_SPELLINGS)
            raise DataError(
                f"{where}: split must be train, validation or test, "
                f"got {printable_line(subset)!r} ({hint})"
            )
        if known == "test" or "fold" not in row:
            return known
    fold = row.get("fold")
    if fold is None:
        raise DataError(f"{where}: must have a split or a fold, got neither")
    try:
        number = float(fold)
        if number != int(number):
            raise ValueError
    except (ValueError, OverflowError):
        raise DataError(
            f"{where}: fold must be a whole number, got {printable_line(fold)!r}"
        ) from None
    return str(int(number))


def _check_kinds(members: dict[str, str], where: str) -> None:
    kinds = set(members.values())
    numbers = _numbers(members)
    if numbers and kinds & {"train", "validation"}:
        raise DataError(f"{where}: must have a fold for each clip outside test, got some without")
    if len(numbers) == 1:
        raise DataError(f"{where}: must have at least two folds, got only {numbers[0]}")
    if not numbers and not {"train", "validation"} <= kinds:
        raise DataError(
            f"{where}: must have clips in train and in validation, got only {sorted(kinds)}"
        )


class _ClipLookup:
    """Lookup of canonical names by what a table may call a file: its path, name or bare stem."""

    def __init__(self, store: Clips) -> None:
        self._known = {file: name for file, name in zip(store.files, store.names, strict=True)}
        names = set(store.names)
        if is_gtzan(store.names, store.class_names()):
            # A published split lists all 1,000 clips, also those missing from this copy.
            names |= set(gtzan_names())
        self._known |= {name: name for name in names}
        self._labels = store.classes
        stems: dict[str, str | None] = {}
        for name in sorted(names):
            stem = name.rsplit("/", 1)[-1]
            stems[stem] = None if stem in stems else name  # None: the stem is ambiguous
        self._stems = stems

    def __call__(self, file: str) -> str:
        path = PurePosixPath(file.replace("\\", "/"))
        for label in (path.parent.name, path.stem.split(".")[0], *self._labels):
            for candidate in (str(path), canonical_name(str(path), label)):
                if candidate in self._known:
                    return self._known[candidate]
        by_stem = self._stems.get(path.stem) or self._stems.get(path.name)
        if by_stem:
            return by_stem
        hint = did_you_mean(str(path), self._known)
        raise DataError(
            f"data.split.file: must list clips of the corpus, got {printable_line(file)!r} ({hint})"
        )
