"""Manifests: a CSV or Parquet table that says which files belong to a corpus, and what they are.

Columns `file` (path, relative to the manifest's folder) and `label`; optional `group`, `track`,
`artist`, `album` (what must not be split), `split` (train, validation, test) and `fold`. Other
columns are not read. Values are text; empty ones count as absent.
"""

from pathlib import Path, PurePosixPath

import pyarrow as pa

from genretune.data.errors import DataError, shown
from genretune.data.name_suggestions import did_you_mean

SUFFIXES = (".csv", ".parquet")

IN_FOLDER = ("manifest.csv", "manifest.parquet")
"""A corpus folder that holds one of these, with the columns file and label, is read by it."""

Row = dict[str, str]


def read_table(path: Path, where: str) -> tuple[list[str], list[Row]]:
    """Columns, and rows as text without the empty values. Errors: DataError naming `where`."""
    try:
        table = _read_parquet(path) if path.suffix.lower() == ".parquet" else _read_csv(path)
        columns = [str(name) for name in table.column_names]
        if len(set(columns)) < len(columns):
            raise DataError(f"{where}: each column once, got {shown(columns)} in {shown(path)}")
        texts = [_texts(table.column(i)) for i in range(len(columns))]
    except (OSError, ValueError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(
            f"{where}: a CSV or Parquet table, got {shown(path)} ({shown(reason)})"
        ) from None
    rows = [
        {name: value for name, value in zip(columns, values, strict=True) if value}
        for values in zip(*texts, strict=True)
    ]
    return columns, rows


def require_columns(columns: list[str], wanted: tuple[str, ...], path: Path, where: str) -> None:
    """Errors: DataError naming the first column that is missing."""
    for name in wanted:
        if name not in columns:
            hint = did_you_mean(name, columns)
            raise DataError(f"{where}: a column {name!r}, got none in {shown(path)} ({hint})")


def manifest_rows(path: Path, attributes: tuple[str, ...]) -> list[Row]:
    """Rows of a manifest: file, label, and those of `attributes` that are there.

    Errors: DataError for missing columns or values, and for a file listed twice.
    """
    where = "data manifest"
    columns, rows = read_table(path, where)
    require_columns(columns, ("file", "label"), path, where)
    seen: set[str] = set()
    for number, row in enumerate(rows, start=2):
        for name in ("file", "label"):
            if name not in row:
                raise DataError(f"{where}: a {name} in every row, got none in line {number}")
        row["file"] = str(PurePosixPath(row["file"].replace("\\", "/")))
        if row["file"] in seen:
            raise DataError(f"{where}: each file once, got {shown(row['file'])!r} again")
        seen.add(row["file"])
    if not rows:
        raise DataError(f"{where}: at least one row, got none in {shown(path)}")
    return [{k: v for k, v in row.items() if k in ("file", "label", *attributes)} for row in rows]


def manifest_in(folder: Path) -> Path | None:
    """The manifest that a corpus folder holds, if its header has the columns file and label."""
    for name in IN_FOLDER:
        path = folder / name
        if path.is_file():
            columns, _ = read_table(path, "data manifest")
            if {"file", "label"} <= set(columns):
                return path
    return None


def _read_parquet(path: Path) -> pa.Table:
    import pyarrow.parquet

    return pyarrow.parquet.read_table(path)


def _read_csv(path: Path) -> pa.Table:
    """All columns as text: `01` stays `01`."""
    import pyarrow.csv  # here, since every trial imports this module and none reads tables

    with path.open("rb") as file:
        header = pyarrow.csv.open_csv(file).schema.names
    options = pyarrow.csv.ConvertOptions(
        column_types={name: pa.string() for name in header}, strings_can_be_null=False
    )
    parse = pyarrow.csv.ParseOptions(newlines_in_values=True)
    return pyarrow.csv.read_csv(path, convert_options=options, parse_options=parse)


def _texts(column: pa.ChunkedArray) -> list[str]:
    text = column if pa.types.is_string(column.type) else column.cast(pa.string())
    return [(value or "").strip() for value in text.to_pylist()]
