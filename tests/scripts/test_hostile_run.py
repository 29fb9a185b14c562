"""A run directory of unknown origin: one clear line, nothing executed, nothing written outside."""

import io
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from genretune.scripts.cli import run as command
from genretune.scripts.terminal import printable
from genretune.tune.errors import DamagedRecord
from genretune.tune.run.journal import Journal
from genretune.tune.run.stop_requests import stop_requests
from genretune.tune.space.load import space_from_text
from genretune.tune.storage.run_dir import RunDir
from genretune.tune.sweep.state_machine import StateMachine
from genretune.tune.trial.checkpoint_file import load_checkpoint
from tests.spaces import tiny_space

SPACE = tiny_space(2)
DEEP = "[" * 100_000 + "]" * 100_000
COMMANDS = {
    "status": ("status",),
    "results": ("results", "--json"),
    "gc": ("gc",),
    "stop": ("stop", "2"),
    "resume": ("resume",),
    "replay": ("replay", "--trial", "0"),
    "predict": ("predict", "song.wav", "--trial", "0"),
}


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    """A run directory with two trials of one epoch and a third that has not started."""
    space = space_from_text(SPACE, "tiny.yaml", [])
    folder = RunDir(tmp_path / "run")
    facts = {"overrides": [], "device": "cpu", "determinism": "strict", "plugins": {}}
    data = {"samples": "0" * 64, "sample_rate": 22050}
    facts |= {"data": data, "leakage": {}, "source": None, "corpus": None}
    folder.create(SPACE, {"version": 1, "space": space.as_json(), **facts})
    with Journal(folder.journal) as journal:
        state_machine = StateMachine(space)
        state_machine.begin(host="here", pid=1, environment={})
        for trial in range(3):
            state_machine.next_segment(range(trial))
        for trial in range(2):
            state_machine.report(trial, 1, 0.5, "a")
        journal.append(state_machine.take_events())
    for trial in range(3):
        saved = folder.trial_path(trial) / "checkpoints"
        saved.mkdir(parents=True)
        (saved / "00001.safetensors").write_bytes(b"x")
        (saved.parent / "config.json").write_text("{}")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "precious").write_text("mine")
    (tmp_path / "outside" / "checkpoints").mkdir()
    (tmp_path / "outside" / "checkpoints" / ".a.tmp").write_text("mine")
    return folder


Refused = Callable[..., str]


@pytest.fixture
def refused(run: RunDir, capsys: pytest.CaptureFixture[str]) -> Refused:
    """A function that runs a command, which must be refused and change nothing; the message."""

    def check(verb: str) -> str:
        first, *rest = COMMANDS[verb]
        before = contents(run.path.parent)
        code = command([first, str(run.path), *rest])
        captured = capsys.readouterr()
        assert code in (2, 5), (code, captured)
        lines = captured.err.splitlines()
        assert lines and all(line.startswith("genretune: ") for line in lines), captured.err
        assert len(captured.err) < 600 and "Traceback" not in captured.err
        assert contents(run.path.parent) == before
        return captured.err

    return check


def contents(folder: Path) -> dict[str, Any]:
    """Return every path below a folder, with the content of regular files."""
    return {
        str(path): path.read_bytes() if path.is_file() and not path.is_symlink() else None
        for path in folder.rglob("*")
        if path.name != ".driver.lock"
    }


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def in_sweep(**changes: Any) -> Callable[[RunDir], None]:
    return lambda run: edit(run.sweep_json, **changes)


def sweep_text(text: str) -> Callable[[RunDir], None]:
    return lambda run: (run.sweep_json.write_text(text), None)[1]


def journaled(**event: Any) -> Callable[[RunDir], None]:
    def append(run: RunDir) -> None:
        with open(run.journal, "a") as file:
            file.write(json.dumps(event) + "\n")

    return append


def driver(**holder: Any) -> Callable[[RunDir], None]:
    return lambda run: (run.driver_json.write_text(json.dumps(holder)), None)[1]


def pipe(name: str) -> Callable[[RunDir], None]:
    def replace(run: RunDir) -> None:
        (run.path / name).unlink(missing_ok=True)
        os.mkfifo(run.path / name)

    return replace


REPORT = {"event": "report", "trial": 0, "epoch": 2, "weights_sha256": "b"}
SWEEPS = {
    "deep": sweep_text(f'{{"version": 1, "space": {DEEP}}}'),
    "a list": sweep_text("[1]"),
    "NaN": sweep_text('{"version": 1, "source": NaN}'),
    "digits": sweep_text('{"version": 1, "source": ' + "9" * 10_000 + "}"),
    "half a character": sweep_text('{"version": 1, "source": "\\ud800"}'),
    "bytes": lambda run: (run.sweep_json.write_bytes(b"\xff\xfe{}"), None)[1],
    "pipe": pipe("sweep.json"),
    "space a text": in_sweep(space="../../etc"),
    "no space": in_sweep(space={}),
    "samples a path": in_sweep(data={"samples": "../../x", "sample_rate": 22050}),
    "data a list": in_sweep(data=[]),
    "level a list": in_sweep(determinism=["strict"]),
    "device": in_sweep(device="/dev/null"),
    "overrides": in_sweep(overrides=[1]),
    "plugins": in_sweep(plugins=["../evil.py"]),
    "leakage": in_sweep(leakage="none"),
}
JOURNALS = {
    "index a text": journaled(**REPORT | {"trial": "0", "value": 0.1}),
    "index a path": journaled(**REPORT | {"trial": "../../x", "value": 0.1}),
    "negative trial": journaled(**REPORT | {"trial": -1, "value": 0.1}),
    "created at -1": journaled(event="created", trial=-1, parameters={}, seed=1),
    "created far away": journaled(event="created", trial=10**9, parameters={}, seed=1),
    "NaN": journaled(**REPORT | {"value": float("nan")}),
    "NaN inside": journaled(event="created", trial=3, parameters={"a": [float("nan")]}, seed=1),
    "infinite": journaled(**REPORT | {"value": float("inf")}),
    "again differently": journaled(**REPORT | {"epoch": 1, "value": 0.1}),
    "rung -1": journaled(
        event="verdict",
        trial=0,
        rung=-1,
        verdict="stop",
        compared=dict.fromkeys(("place", "of", "go_on", "last_in"), 0)
        | {"value": 0.1, "last_value": 0.1},
    ),
    "deep": lambda run: (run.journal.write_text(DEEP + "\n"), None)[1],
    "pipe": pipe("journal.jsonl"),
}
HOLDERS = {
    "pid a text": driver(generation=1, host="x", pid="; rm -rf /", started=0.0),
    "pid -1": driver(generation=1, host="x", pid=-1, started=0.0),
    "generation a text": driver(generation="1", pid=None),
    "nothing": driver(),
}


@pytest.mark.parametrize("verb", COMMANDS)
@pytest.mark.parametrize("kind", SWEEPS)
def test_sweep_json(kind: str, verb: str, run: RunDir, refused: Refused) -> None:
    SWEEPS[kind](run)
    assert str(run.path) in refused(verb) or kind == "no space"


@pytest.mark.parametrize("verb", COMMANDS)
@pytest.mark.parametrize("kind", JOURNALS)
def test_journal(kind: str, verb: str, run: RunDir, refused: Refused) -> None:
    JOURNALS[kind](run)
    assert "journal" in refused(verb)


@pytest.mark.parametrize("verb", ["status", "gc", "stop"])
@pytest.mark.parametrize("kind", HOLDERS)
def test_driver_json(kind: str, verb: str, run: RunDir, refused: Refused) -> None:
    HOLDERS[kind](run)
    assert "driver.json" in refused(verb)


LINKS = ("trials/00000", "trials/00001/checkpoints", "trials", "requests", ".driver.lock")


@pytest.mark.parametrize("verb", ["gc", "stop"])
@pytest.mark.parametrize("name", LINKS)
def test_symbolic_links_to_the_outside(name: str, verb: str, run: RunDir, refused: Refused) -> None:
    link = run.path / name
    if link.exists():
        link.rename(run.path.parent / "moved")
    outside = run.path.parent / "outside"
    link.symlink_to(outside / "precious" if name == ".driver.lock" else outside)
    assert "symbolic links are not allowed" in refused(verb)
    assert (outside / "precious").read_text() == "mine"
    with pytest.raises(DamagedRecord, match="symbolic links are not allowed"), run.drive():
        pass


@pytest.mark.parametrize(
    "config",
    [
        "{",
        "[]",
        DEEP,
        '{"seed": NaN}',
        '{"determinism": ["strict"]}',
        '{"plugins": ["/etc/evil.py"]}',
        '{"plugins": {"../evil.py": "00"}}',
        '{"plugins": {"evil.py": 0}}',
        '{"data": {"samples": "../../x"}, "model": {"name": "os.system"}}',
        '{"data": [1], "model": 5}',
        '{"a": &a [*a]}',
    ],
)
@pytest.mark.parametrize("verb", ["replay", "predict"])
def test_config_json(config: str, verb: str, run: RunDir, refused: Refused) -> None:
    (run.trial_path(0) / "config.json").write_text(config)
    refused(verb)


class Evil:
    """Creates a file when it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return open, (self.path, "w")


def test_a_pickle_is_not_loaded_as_a_checkpoint(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    pickle.dump(Evil(str(tmp_path / "owned")), buffer)
    saved = tmp_path / "best.safetensors"
    saved.write_bytes(buffer.getvalue())
    assert load_checkpoint(saved) is None
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("text", ["five", "-1", "9" * 5000, "²", ""])
def test_an_invalid_number_of_attempts(text: str, run: RunDir) -> None:
    (run.trial_path(0) / "attempt").write_text(text)
    with pytest.raises(DamagedRecord, match="attempt: must be a number, got"):
        run.attempt(0)


@pytest.mark.parametrize("request_text", ["{", '{"stop": true}', '{"stop": "../x"}', DEEP, "[1]"])
def test_files_that_are_no_requests_are_ignored(request_text: str, run: RunDir) -> None:
    (run.path / "requests").mkdir()
    (run.path / "requests" / "1-1.json").write_text(request_text)
    os.mkfifo(run.path / "requests" / "2-1.json")
    assert list(stop_requests(run)) == []


def test_control_characters_are_escaped(run: RunDir, capsys: pytest.CaptureFixture[str]) -> None:
    evil = {"\x1b]0;owned\x07": "\x1b[2J"}
    journaled(event="created", trial=3, parameters=evil, seed=1)(run)
    assert command(["results", str(run.path)]) == 0
    assert "\x1b" not in capsys.readouterr().out
    assert printable("a\x1b[2Jé\n") == "a\\x1b[2Jé\n"


def test_aliases_that_expand_to_billions(run: RunDir, refused: Refused) -> None:
    levels = "\n".join(f"  k{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12))
    run.space_yaml.write_text(f"trial:\n  k0: &a0 [x]\n{levels}\n")
    assert "must have at most" in refused("resume")
    run.space_yaml.write_text(f"a: {DEEP}\n")
    assert "got it nested too deeply" in refused("resume")


def test_a_closed_output_is_no_error(run: RunDir) -> None:
    arguments = [sys.executable, "-m", "genretune.scripts.cli", "results", str(run.path), "--json"]
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as closed_pipe:
        done = subprocess.run(arguments, stdout=closed_pipe, stderr=subprocess.PIPE, check=False)
    assert b"Traceback" not in done.stderr and b"Exception" not in done.stderr
