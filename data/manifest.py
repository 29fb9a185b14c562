"""Manifests: a CSV or Parquet table that lists the files of a corpus with their attributes.

Columns ``file`` (path, relative to the manifest's folder) and ``label``; optional ``group``,
``track``, ``artist``, ``album`` (what must not be split), ``split`` (train, validation, test) and
``fold``. Other columns are ignored. Values are text; empty ones count as absent.
"""

from pathlib import Path, PurePosixPath

import pyarrow as pa

from genretune.data.errors import DataError, printable_line
from genretune.data.name_suggestions import did_you_mean

SUFFIXES = (".csv", ".parquet")

MANIFEST_NAMES = ("manifest.csv", "manifest.parquet")
"""A corpus folder is read by such a file in it if that has the columns file and label."""

Row = dict[str, str]


def read_table(path: Path, where: str) -> tuple[list[str], list[Row]]:
    """Return the column names of a table, and its rows as text without the empty values.

    Raises:
        DataError: the table cannot be read, or a column occurs twice; ``where`` begins the message.
    """
    try:
        table = _read_parquet(path) if path.suffix.lower() == ".parquet" else _read_csv(path)
        columns = [str(name) for name in table.column_names]
        if len(set(columns)) < len(columns):
            raise DataError(
                f"{where}: must have each column once, got {printable_line(columns)} in "
                f"{printable_line(path)}"
            )
        texts = [_texts(table.column(i)) for i in range(len(columns))]
    except (OSError, ValueError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(
            f"{where}: must be a CSV or Parquet table, got {printable_line(path)} "
            f"({printable_line(reason)})"
        ) from None
    rows = [
        {name: value for name, value in zip(columns, values, strict=True) if value}
        for values in zip(*texts, strict=True)
    ]
    return columns, rows


def require_columns(columns: list[str], required: tuple[str, ...], path: Path, where: str) -> None:
    """Check that a table has the required columns.

    Raises:
        DataError: a column is missing; the message names the first.
    """
    for name in required:
        if name not in columns:
            hint = did_you_mean(name, columns)
            raise DataError(
                f"{where}: must have a column {name!r}, got none in {printable_line(path)} ({hint})"
            )


def manifest_rows(path: Path, attributes: tuple[str, ...]) -> list[Row]:
    """Return the rows of a manifest: file, label, and those of ``attributes`` that are present.

    Raises:
        DataError: a column or value is missing, or a file is listed twice.
    """
    where = "data manifest"
    columns, rows = read_table(path, where)
    require_columns(columns, ("file", "label"), path, where)
    seen: set[str] = set()
    for number, row in enumerate(rows, start=2):  # line 1 is the header
        for name in ("file", "label"):
            if name not in row:
                raise DataError(
                    f"{where}: must have a {name} in every row, got none in line {number}"
                )
        row["file"] = str(PurePosixPath(row["file"].replace("\\", "/")))
        if row["file"] in seen:
            raise DataError(
                f"{where}: must list each file once, got {printable_line(row['file'])!r} again"
            )
        seen.add(row["file"])
    if not rows:
        raise DataError(f"{where}: must have at least one row, got none in {printable_line(path)}")
    return [{k: v for k, v in row.items() if k in ("file", "label", *attributes)} for row in rows]


def manifest_in(folder: Path) -> Path | None:
    """Return the manifest in a corpus folder if it has the columns file and label, else None."""
    for name in MANIFEST_NAMES:
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
    """Read all columns as text, so that ``01`` stays ``01``."""
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
