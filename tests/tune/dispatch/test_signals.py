"""Signals that end a driver in order, in processes of their own."""

import os
import pty
import signal
import subprocess
import sys

import pytest

WAIT = """\
import signal, sys, time
from genretune.tune.dispatch.signals import EXIT, Interrupted, signals

with signals() as wanted:
    wanted.at_once = False
    print("ready", flush=True)
    end = time.monotonic() + 20
    while wanted.kind is None and time.monotonic() < end:
        time.sleep(0.01)
    for _ in range(1000):
        print("the terminal may be gone", flush=True)
    sys.exit(EXIT[wanted.kind] if wanted.kind else 1)
"""


def test_a_terminal_that_closes_ends_it_in_order() -> None:
    ours, theirs = pty.openpty()
    heeding = "import signal; signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"  # also under nohup
    with subprocess.Popen(
        [sys.executable, "-c", heeding + WAIT], stdout=theirs, stderr=theirs, start_new_session=True
    ) as process:
        os.close(theirs)
        assert b"ready" in os.read(ours, 100)
        os.close(ours)
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGHUP)
        assert process.wait(20) == 75


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 75), (signal.SIGUSR1, 75), (signal.SIGINT, 130)]
)
def test_the_first_signal_is_noted(number: signal.Signals, code: int) -> None:
    with subprocess.Popen([sys.executable, "-c", WAIT], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(number)
        process.communicate(timeout=20)
        assert process.returncode == code


def test_nohup_is_obeyed() -> None:
    quiet = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n" + WAIT
    with subprocess.Popen([sys.executable, "-c", quiet], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGHUP)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.3)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
        assert process.returncode == 75
