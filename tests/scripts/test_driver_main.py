"""The driver process, as far as it needs no Ray."""

import subprocess
import sys
from pathlib import Path

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
os.execv(sys.executable, [sys.executable, "-m", "genretune.scripts.driver_main", "run", "0"])
"""
LARGE_JOB = """\
import sys
from genretune.scripts.launch import exec_driver
from genretune.tune.dispatch.driver_job import DriverJob
from genretune.tune.dispatch.run_options import Resources

plugins = tuple(f"/a/folder/of/plugins/{number}.py" for number in range(10_000))
resources = Resources(1.0, 0.0)
exec_driver(DriverJob(sys.argv[1], "cpu", "strict", resources, "none", "none", plugins, {}))
"""


def test_a_job_larger_than_an_argument_reaches_the_driver(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LARGE_JOB, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"genretune: {tmp_path}: must be a run directory")
    assert not list(tmp_path.iterdir())


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
    done = subprocess.run(
        [sys.executable, "-c", SIGNAL_DURING_EXEC],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 75
    assert done.stderr == "genretune: interrupted before the first trial was dispatched\n"
