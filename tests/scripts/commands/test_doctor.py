"""``genretune doctor``: options that are refused before Ray is started, and what is printed."""

import signal
from pathlib import Path

import pytest

from genretune.scripts.cli import run
from genretune.scripts.commands.doctor import _show
from genretune.tune.dispatch.doctor.findings import Finding
from tests.spaces import tiny_space


@pytest.fixture
def space(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(tiny_space(1))
    return path


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--resources", "gpu=1"], "--resources: must be given with --train, got gpu=1"),
        (["--plugin", "mine.py"], "--plugin: must be given with --train, got mine.py"),
        (["--address", "nowhere"], "--address: must be local, auto or HOST:PORT, got nowhere"),
        (["--address", "127.0.0.1:1"], "got 127.0.0.1:1: Connection refused (ray start --head"),
        (["--storage", "/data"], "--storage: must be like s3://"),
        (["--resources", "gpus=1", "--train", "x.yaml"], "--resources: must be like"),
    ],
)
def test_options_are_checked(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["doctor", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_training_needs_a_corpus(space: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "--train", str(space)]) == 2
    error = capsys.readouterr().err
    assert "--data: must name the corpus that --train trains on" in error
    assert error.count("\n") == 1


def test_a_wrong_space_is_refused_as_search_refuses_it(
    space: Path, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = space.read_text().replace("model: {name: cnn}", "model: {name: cnm}")
    space.write_text(text + "data: {split: {name: stratified, folds: 3}}\n")
    out = ["--data", str(corpus), "--out", str(tmp_path / "runs")]
    refused = []
    for command in (["search", str(space)], ["doctor", "--train", str(space)]):
        assert run([*command, *out]) == 2
        refused.append(capsys.readouterr().err)
    assert refused[0] == refused[1] and "cnm" in refused[0]
    assert not (tmp_path / "runs").exists()


def test_problems_are_told_in_full_after_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    findings = [
        Finding("a", "clock", "agrees"),
        Finding("b", "cache", "1.0 GB free", "set GENRETUNE_CACHE", "warning"),
        Finding("b", "clock", "9.0 s off\x1b[2J", "run chrony", "FAILED"),
    ]
    _show(findings)
    lines = capsys.readouterr().out.splitlines()
    assert lines[-4:] == [
        "FAILED: b: clock: 9.0 s off\\x1b[2J (run chrony)",
        "warning: b: cache: 1.0 GB free (set GENRETUNE_CACHE)",
        "",
        "3 checks: 1 failed, 1 warning",
    ]


def test_a_signal_ends_it_with_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*arguments: object) -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
        except BaseException as error:
            raise SystemError("from Ray's compiled parts") from error

    monkeypatch.setattr("genretune.scripts.commands.doctor._check", interrupted)
    assert run(["doctor"]) == 75
    assert capsys.readouterr().err == "genretune: interrupted before every node was checked\n"
