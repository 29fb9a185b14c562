"""Splits by a user's table, or by the columns split and fold of the corpus' manifest.

Columns `file` and `split` (train, validation, test) or `fold` (whole numbers; the smallest is
fold 1), optionally `group`. With both, rows of split `test` are held out and the others go by
fold. Clips that no row names take no part.
"""

from collections import defaultdict
from pathlib import Path, PurePosixPath

from genretune.data.arrow_file import Store
from genretune.data.clip_names import canonical_name, gtzan_names, is_gtzan
from genretune.data.errors import DataError, shown
from genretune.data.manifest import read_table, require_columns
from genretune.data.name_suggestions import did_you_mean
from genretune.data.specs import SplitSpec

PART = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}
"""Spellings of the three parts."""


def resolve_split(split: SplitSpec, store: Store, base: Path | None = None) -> SplitSpec:
    """The split with all that it takes from a file written into it, so that the file may go.

    `base` is what a relative `file` is relative to (default: the working directory). For splits
    that are not by file this checks nothing and returns them as they are. The number of folds of
    a split by file is the file's. Errors: DataError.
    """
    if split.name != "file":
        return split
    given = split.model_dump(exclude_unset=True)
    if split.file is not None:
        members, groups = _read(Path(base or Path()) / split.file, store)
        given |= {"members": members, "groups": groups or None, "file": None}
    elif split.members is None:
        members = _of_manifest(store)
    else:
        members = split.members
    folds = len(_numbers(members)) or 1
    if "folds" in split.model_fields_set and split.folds != folds:
        raise DataError(f"data.split.folds: {folds} as in the file, got {split.folds}")
    return SplitSpec.model_validate(given | {"folds": folds})


def file_folds(store: Store, split: SplitSpec) -> list[dict[str, set[str]]]:
    """Clip names by part, one entry a fold. Errors: DataError."""
    if split.members is None and split.file is not None:
        raise DataError("data.split.file: read into data.split.members first, got only a path")
    by_value: defaultdict[str, set[str]] = defaultdict(set)
    for name, value in (split.members or _of_manifest(store)).items():
        by_value[value].add(name)
    test, numbers = by_value["test"], _numbers(by_value)
    if not numbers:
        return [{"train": by_value["train"], "validation": by_value["validation"], "test": test}]
    if split.fold > len(numbers):
        raise DataError(
            f"data.split.fold: from 1 to the {len(numbers)} folds of the file, got {split.fold}"
        )
    folded = [by_value[str(number)] for number in numbers]
    everyone = set().union(*folded)
    return [{"train": everyone - one, "validation": one, "test": test} for one in folded]


def _numbers(values: dict[str, str] | defaultdict[str, set[str]]) -> list[int]:
    """Fold numbers among members' values or among values themselves, rising."""
    found = set(values) if isinstance(values, defaultdict) else set(values.values())
    return sorted(int(value) for value in found if value not in ("train", "validation", "test"))


def _read(path: Path, store: Store) -> tuple[dict[str, str], dict[str, str]]:
    where = "data.split.file"
    columns, rows = read_table(path, where)
    require_columns(columns, ("file",), path, where)
    if "split" not in columns and "fold" not in columns:
        raise DataError(f"{where}: a column 'split' or 'fold', got neither in {shown(path)}")
    find = _finder(store)
    members: dict[str, str] = {}
    groups: dict[str, str] = {}
    for number, row in enumerate(rows, start=2):
        if "file" not in row:
            raise DataError(f"{where}: a file in every row, got none in line {number}")
        name = find(row["file"])
        if name in members:
            raise DataError(f"{where}: each clip once, got {shown(name)!r} again in line {number}")
        members[name] = _value(row, f"{where}: line {number}")
        if "group" in row:
            groups[name] = row["group"]
    _check_kinds(members, where)
    return members, groups


def _of_manifest(store: Store) -> dict[str, str]:
    where = "data.split.name: file"
    if "split" not in store.groups and "fold" not in store.groups:
        raise DataError(
            f"{where}: data.split.file, or a manifest with the column 'split' or 'fold', got "
            "neither"
        )
    empty = (None,) * len(store)
    rows = zip(
        store.names, store.groups.get("split", empty), store.groups.get("fold", empty), strict=True
    )
    members = {
        name: _value({k: v for k, v in (("split", part), ("fold", fold)) if v}, f"{where}: {name}")
        for name, part, fold in rows
        if part or fold
    }
    _check_kinds(members, where)
    return members


def _value(row: dict[str, str], where: str) -> str:
    """train, validation, test, or the number of a fold."""
    part = row.get("split")
    if part is not None:
        known = PART.get(part.lower())
        if known is None:
            hint = did_you_mean(part, PART)
            raise DataError(
                f"{where}: split train, validation or test, got {shown(part)!r} ({hint})"
            )
        if known == "test" or "fold" not in row:
            return known
    fold = row.get("fold")
    if fold is None:
        raise DataError(f"{where}: a split or a fold, got neither")
    try:
        number = float(fold)
        if number != int(number):
            raise ValueError
    except (ValueError, OverflowError):
        raise DataError(f"{where}: a whole number as fold, got {shown(fold)!r}") from None
    return str(int(number))


def _check_kinds(members: dict[str, str], where: str) -> None:
    kinds = set(members.values())
    numbers = _numbers(members)
    if numbers and kinds & {"train", "validation"}:
        raise DataError(f"{where}: a fold for each clip that is not held out, got some without")
    if len(numbers) == 1:
        raise DataError(f"{where}: at least two folds, got only {numbers[0]}")
    if not numbers and not {"train", "validation"} <= kinds:
        raise DataError(f"{where}: clips that train and clips that validate, got {sorted(kinds)}")


class _finder:
    """Canonical name of what a table calls a file: its path, its name, or its bare stem."""

    def __init__(self, store: Store) -> None:
        self._known = {file: name for file, name in zip(store.files, store.names, strict=True)}
        names = set(store.names)
        if is_gtzan(store.names, store.class_names()):
            names |= set(gtzan_names())
        self._known |= {name: name for name in names}
        self._labels = store.classes
        stems: dict[str, str | None] = {}
        for name in sorted(names):
            stem = name.rsplit("/", 1)[-1]
            stems[stem] = None if stem in stems else name
        self._stems = stems

    def __call__(self, file: str) -> str:
        path = PurePosixPath(file.replace("\\", "/"))
        for label in (path.parent.name, path.stem.split(".")[0], *self._labels):
            for given in (str(path), canonical_name(str(path), label)):
                if given in self._known:
                    return self._known[given]
        found = self._stems.get(path.stem) or self._stems.get(path.name)
        if found:
            return found
        hint = did_you_mean(str(path), self._known)
        raise DataError(f"data.split.file: a clip of the corpus, got {shown(file)!r} ({hint})")
