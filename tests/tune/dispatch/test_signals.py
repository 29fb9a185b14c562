"""Signals that end a driver gracefully, in processes of their own."""

import os
import pty
import signal
import subprocess
import sys

import pytest

WAIT = """\
import sys, time
from genretune.tune.dispatch.signals import INTERRUPTION_EXIT_CODES, handle_signals

with handle_signals() as stop_signal:
    stop_signal.raise_immediately = False
    print("ready", flush=True)
    end = time.monotonic() + 20
    while stop_signal.kind is None and time.monotonic() < end:
        time.sleep(0.01)
    for _ in range(1000):
        print("the terminal may be gone", flush=True)
    sys.exit(INTERRUPTION_EXIT_CODES[stop_signal.kind] if stop_signal.kind else 1)
"""
RAISES = """\
import sys, time
from genretune.tune.dispatch.signals import Interrupted, handle_signals

with handle_signals() as stop_signal:
    try:
        print("ready", flush=True)
        time.sleep(20)
    except Interrupted:
        sys.exit(7 if stop_signal.kind == "terminated" else 1)
"""


def test_a_terminal_that_closes_ends_it_gracefully() -> None:
    ours, theirs = pty.openpty()
    # the test run itself may be under nohup, which makes its children ignore SIGHUP
    not_ignored = "import signal; signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"
    with subprocess.Popen(
        [sys.executable, "-c", not_ignored + WAIT],
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        assert b"ready" in os.read(ours, 100)
        os.close(ours)
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGHUP)
        assert process.wait(20) == 75


@pytest.mark.parametrize(
    ("code", "number", "exit_code"),
    [
        (WAIT, signal.SIGTERM, 75),
        (WAIT, signal.SIGUSR1, 75),
        (WAIT, signal.SIGINT, 130),
        (RAISES, signal.SIGTERM, 7),
    ],
)
def test_the_first_signal_is_recorded_or_raised(
    code: str, number: signal.Signals, exit_code: int
) -> None:
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(number)
        process.communicate(timeout=20)
        assert process.returncode == exit_code


def test_nohup_is_respected() -> None:
    ignored = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n" + WAIT
    with subprocess.Popen([sys.executable, "-c", ignored], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGHUP)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.3)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
        assert process.returncode == 75
