"""Progress and tables on a terminal, and in a pipe."""

import os
import pty
import subprocess
import sys

import pytest

from genretune.scripts import cli
from genretune.scripts.terminal import (
    format_duration,
    packing_progress,
    print_table,
    status_spinner,
)

ROWS = [["optimizer.lr", "0.001", "0.01", "0.1"]]
HEADERS = ["parameter", "trial 0", "trial 1", "trial 2"]
CODE = """\
import sys, time
from genretune.data.suppress_stderr import suppress_stderr
from genretune.scripts.terminal import packing_progress, status_spinner
with status_spinner("checking [the] corpus") as say, suppress_stderr():
    time.sleep(0.2)
    packing_progress(say)(3, 40)
    time.sleep(0.3)
print("result")
"""


def on_a_terminal(code: str) -> tuple[str, str]:
    """Run code with a pipe as stdout and a terminal as stderr; return what each received."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
        env=os.environ | {"TERM": "xterm"},
    )
    os.close(theirs)
    shown = b""
    try:
        while part := os.read(ours, 4096):
            shown += part
    except OSError:  # the other side is closed
        pass
    os.close(ours)
    output, _ = process.communicate()
    assert process.returncode == 0
    return output, shown.decode()


def test_a_terminal_shows_progress_and_is_cleared() -> None:
    output, shown = on_a_terminal(CODE)
    assert output == "result\n"
    assert "checking [the] corpus" in shown
    assert (
        "packing the corpus, once: 3 of 40 clips" in shown
    )  # although stderr is suppressed for decoders
    # the line is cleared and the cursor restored
    assert shown.rstrip("\r\n").endswith("\x1b[2K") and "\x1b[?25h" in shown


def test_a_pipe_gets_no_progress(capfd: pytest.CaptureFixture[str]) -> None:
    with status_spinner("checking the corpus") as say:
        packing_progress(say)(3, 40)
    assert capfd.readouterr() == ("", "")


def test_an_interrupt_is_one_line_and_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted() -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("genretune.scripts.commands.models.features", interrupted)
    assert cli.run(["features"]) == 130
    assert capsys.readouterr() == ("", "genretune: interrupted\n")


def test_durations_are_rounded_for_people() -> None:
    assert [format_duration(m) for m in (0.5, 1.4, 1.6, 89.0, 200.0)] == [
        "30 s",
        "84 s",
        "2 min",
        "89 min",
        "3.3 h",
    ]


@pytest.mark.parametrize(("width", "omitted"), [(80, 0), (42, 0), (41, 1), (20, 2)])
def test_a_terminal_gets_the_columns_that_fit(
    width: int, omitted: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    size = os.terminal_size((width, 24))
    monkeypatch.setattr("shutil.get_terminal_size", lambda: size)
    print_table(ROWS, HEADERS, full_output="--json")
    *table, last = capsys.readouterr().out.splitlines()
    assert (last == f"({omitted} columns omitted; --json prints all)") == bool(omitted)
    assert table[0].split("  ")[0] == "parameter"
    print_table(ROWS, HEADERS)
    assert "trial 2" in capsys.readouterr().out


def test_a_pipe_gets_all_columns(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(ROWS, HEADERS, full_output="--json")
    assert "trial 2" in capsys.readouterr().out
