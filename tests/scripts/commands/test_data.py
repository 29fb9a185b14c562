"""``genretune data`` on the command line."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from genretune.data.synthetic.synth import write_corpus
from genretune.scripts.commands.data import app


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clean") / "corpus"
    write_corpus(folder, clips=3, seconds=1.0, seed=2)
    return folder


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("broken") / "corpus"
    write_corpus(folder, clips=4, seconds=3.0, faults={"not-audio": 1, "near": 1, "groups": 1})
    return folder


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_scan_of_a_clean_corpus(clean: Path) -> None:
    result = run("scan", clean)
    assert result.exit_code == 0
    assert "30 clips in 10 classes" in result.stdout and "no findings" in result.stdout


def test_scan_with_findings_exits_1(broken: Path) -> None:
    result = run("scan", broken)
    assert result.exit_code == 1
    assert "blues/blues.00003.wav  not audio" in result.stdout
    assert "data.exclude: [faults, duplicates]" in result.stdout


def test_scan_as_json(broken: Path) -> None:
    result = run("scan", broken, "--json")
    facts = json.loads(result.stdout)
    assert result.exit_code == 1
    assert {"clips", "labels", "hours", "fingerprint", "faults", "duplicates"} <= facts.keys()
    assert [set(fault) for fault in facts["faults"]] == [{"file", "fault", "detail"}]
    assert facts["duplicates"][0]["files"] == [
        "classical/classical.00000.wav",
        "classical/classical.00003.wav",
    ]


def test_scan_of_headers(clean: Path) -> None:
    result = run("scan", clean, "--headers")
    assert result.exit_code == 0 and "rates 22050 Hz (30)" in result.stdout


def test_names_with_markup_and_newlines_are_printed_as_they_are(tmp_path: Path) -> None:
    for label in ("[bold]", "b\nc"):
        (tmp_path / label).mkdir()
        (tmp_path / label / "x [red].wav").write_text("no audio")
    result = run("scan", tmp_path)
    assert "[bold]/x [red].wav" in result.stdout and "b\\nc/x [red].wav" in result.stdout


def test_pack_reports_path_and_contents(clean: Path) -> None:
    facts = json.loads(run("pack", clean, "--json").stdout)
    assert Path(facts["path"]).stat().st_size == facts["bytes"]
    assert facts["clips"] == 30 and len(facts["samples_digest"]) == 64
    assert f"path: {facts['path']}" in run("pack", clean).stdout


def test_folds(clean: Path) -> None:
    folds = json.loads(run("folds", clean, "--folds", 3, "--json").stdout)
    assert list(folds) == ["1", "2", "3"]
    assert all(set(fold) == {"train", "validation"} for fold in folds.values())
    assert sum(len(fold["validation"]) for fold in folds.values()) == 30
    assert run("folds", clean, "--folds", "3").stdout.splitlines()[1].split() == ["1", "20", "10"]


def test_folds_by_group_with_a_test_subset(broken: Path) -> None:
    result = run("folds", broken, "--split", "grouped", "--folds", 2, "--set", "test=0.25")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0].split() == ["fold", "train", "validation", "test"]


def test_folds_without_excluded_clips(broken: Path) -> None:
    folds = json.loads(run("folds", broken, "--folds", 2, "--exclude", "faults", "--json").stdout)
    assert sum(len(fold["validation"]) for fold in folds.values()) == 39


def test_contaminated_must_be_acknowledged_and_is_marked(clean: Path) -> None:
    result = run("folds", clean, "--split", "contaminated")
    assert "i_know_this_leaks must be true" in str(result.exception)
    result = run("folds", clean, "--split", "contaminated", "--set", "i_know_this_leaks=true")
    assert result.stdout.startswith(
        "contaminated: windows of one clip are in both training and validation"
    )


def test_synth_reports_what_it_wrote(tmp_path: Path) -> None:
    result = run("synth", tmp_path / "x", "--clips", 2, "--seconds", 0.5, "--plant", "silent")
    assert result.exit_code == 0
    assert (
        result.stdout.startswith("20 clips of 0.5 s in ") and "injected: 1 silent" in result.stdout
    )
    assert len(list((tmp_path / "x").rglob("*.wav"))) == 20


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["scan", "nowhere"], "no such path"),
        (["pack", "nowhere"], "no such path"),
        (["folds", "nowhere", "--split", "stratifid"], "did you mean 'stratified'"),
        (["folds", "nowhere", "--set", "fold"], "--set: must be KEY=VALUE"),
        (["synth", "x", "--clips", "0"], "from 1 to 99999 per class, got 0"),
        (["synth", "x", "--plant", "silnt"], "did you mean 'silent'"),
    ],
)
def test_errors_are_one_line(arguments: list[str], message: str, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    assert message in str(result.exception) and "\n" not in str(result.exception)
    assert not list(tmp_path.iterdir())
