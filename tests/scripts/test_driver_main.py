"""The driver's own command, as far as it needs no Ray."""

import subprocess
import sys

LOOKED_AT = """\
import sys
from genretune.scripts.driver_main import tolerate_closed_stdout

def show(controller):
    print("progress", flush=True)

for _ in range(5):
    tolerate_closed_stdout(show)(None)
print("the end", file=sys.stderr)
"""


def test_a_sweep_continues_when_its_output_is_closed() -> None:
    with subprocess.Popen(["true"], stdin=subprocess.PIPE) as reader:
        assert reader.stdin is not None
        reader.wait()
        done = subprocess.run(
            [sys.executable, "-c", LOOKED_AT],
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
