"""The driver process, as far as it needs no Ray."""

import subprocess
import sys

from genretune.tune.dispatch.driver_job import DriverJob

CLOSED_OUTPUT = """\
import sys
from genretune.scripts.driver_main import tolerate_closed_stdout

def show(controller):
    print("progress", flush=True)

for _ in range(5):
    tolerate_closed_stdout(show)(None)
print("the end", file=sys.stderr)
"""
SIGNAL_DURING_EXEC = """\
import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
os.kill(os.getpid(), signal.SIGTERM)
os.execv(sys.executable, [sys.executable, "-m", "genretune.scripts.driver_main", sys.argv[1]])
"""


def test_a_sweep_continues_when_its_output_is_closed() -> None:
    with subprocess.Popen(["true"], stdin=subprocess.PIPE) as reader:
        assert reader.stdin is not None
        reader.wait()
        done = subprocess.run(
            [sys.executable, "-c", CLOSED_OUTPUT],
            stdout=reader.stdin,
            stderr=subprocess.PIPE,
            check=False,
        )
        reader.stdin.close()
    assert done.returncode == 0
    lines = done.stderr.decode().splitlines()
    assert lines == [
        "genretune: standard output is closed; the sweep continues",
        "the end",
    ]


def test_a_signal_during_the_exec_ends_the_driver_gracefully() -> None:
    job = DriverJob("none", "cpu", "strict", 1, "none", "none", (), {})
    done = subprocess.run(
        [sys.executable, "-c", SIGNAL_DURING_EXEC, job.as_json()],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 75
    assert done.stderr == "genretune: interrupted before the first trial was dispatched\n"
