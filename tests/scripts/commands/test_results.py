"""``genretune results``: formats, a single trial, and the audit."""

import json
from pathlib import Path

import pytest

from genretune.scripts.cli import run
from genretune.tune.storage.run_dir import RunDir


def test_formats_agree_on_the_order(
    run_dir: RunDir, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["results", str(run_dir.path), "--json"]) == 0
    assert [row["trial"] for row in json.loads(capsys.readouterr().out)] == [1, 0, 2]
    assert run(["results", str(run_dir.path), "--json", "--top", "1"]) == 0
    assert [row["trial"] for row in json.loads(capsys.readouterr().out)] == [1]
    out = tmp_path / "rows.csv"
    assert run(["results", str(run_dir.path), "--format", "csv", "--out", str(out)]) == 0
    assert [line.split(",")[1] for line in out.read_text().splitlines()] == ["trial", "1", "0", "2"]
    assert capsys.readouterr().out == ""


def test_one_trial_is_explained(run_dir: RunDir, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["results", str(run_dir.path), "--trial", "0"]) == 0
    text = capsys.readouterr().out
    assert "trial 0: completed after 1 epochs\nbest value 0.5 in epoch 1\n" in text
    assert text.endswith("ended: all epochs\n")
    assert run(["results", str(run_dir.path), "--trial", "3"]) == 2
    assert "--trial: must have been created, got 3" in capsys.readouterr().err


def test_the_format_must_suit_the_output(
    run_dir: RunDir, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["results", str(run_dir.path), "--format", "parquet"]) == 2
    assert "--out: must name the file for parquet" in capsys.readouterr().err
    assert run(["results", str(run_dir.path), "--out", "rows.txt"]) == 2
    assert "--out: must be combined with --format csv, json or parquet" in capsys.readouterr().err


def test_an_audit_that_finds_tampering_exits_1(
    run_dir: RunDir, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["results", str(run_dir.path), "--audit"]) == 0
    assert capsys.readouterr().out == "every decision follows from the journal\n"
    lines = [json.loads(line) for line in run_dir.journal.read_text().splitlines()]
    created = next(line for line in lines if line["event"] == "created")
    created["seed"] += 1
    run_dir.journal.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert run(["results", str(run_dir.path), "--audit"]) == 1
    assert "trial 0: must have seed" in capsys.readouterr().out
