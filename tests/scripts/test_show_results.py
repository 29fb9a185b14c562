"""The leaderboard as CSV and as a table: values as a space file writes them."""

import csv
import io

import pytest

from genretune.scripts.show_results import print_leaderboard
from genretune.tune.run.results import as_csv, format_value
from genretune.tune.sweep.leaderboard import Row

WITH = {"optimizer.lr": 0.1 + 0.2, "model.reduction": [None, 4, 8], "optimizer.amsgrad": True}
WITHOUT = {"optimizer.lr": 1e-5, "model.reduction": None}


def row(trial: int, value: float | None, parameters: dict[str, object]) -> Row:
    return Row(trial, "completed", 2, value, parameters, 7, "ab", 1, "all epochs")


@pytest.mark.parametrize(
    ("value", "written", "short"),
    [
        (None, "null", "null"),
        (True, "true", "true"),
        (3, "3", "3"),
        (0.1 + 0.2, "0.30000000000000004", "0.3"),
        ("mel", "mel", "mel"),
        ([None, 4, [True, 0.123456]], "[null, 4, [true, 0.123456]]", "[null, 4, [true, 0.1235]]"),
        ({"a": None}, '{"a": null}', '{"a": null}'),
    ],
)
def test_values_are_formatted_as_in_a_space_file(value: object, written: str, short: str) -> None:
    assert format_value(value) == written
    assert format_value(value, digits=4) == short


def test_csv_distinguishes_null_from_a_missing_parameter() -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv([row(0, 0.5, WITH), row(1, None, WITHOUT)]))))
    assert rows[0]["model.reduction"] == "[null, 4, 8]"
    assert (rows[0]["optimizer.amsgrad"], rows[1]["optimizer.amsgrad"]) == ("true", "")
    assert (rows[1]["model.reduction"], rows[1]["value"]) == ("null", "")
    assert float(rows[0]["optimizer.lr"]) == 0.1 + 0.2


def test_the_table_shortens_floats_only(capsys: pytest.CaptureFixture[str]) -> None:
    print_leaderboard([row(0, 0.5, WITH), row(1, None, WITHOUT)], "val_loss")
    _, _, first, second = capsys.readouterr().out.splitlines()
    assert "[null, 4, 8]" in first and "true" in first and "0.3 " in first
    assert "null" in second and "None" not in second and "1e-05" in second
