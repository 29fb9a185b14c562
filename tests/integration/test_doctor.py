"""The doctor on a local Ray, which must not be reachable from other machines."""

import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.integration


def listening(process: psutil.Process) -> set[str]:
    """Return the addresses on which a process and its children listen."""
    found = set()
    for one in [process, *process.children(recursive=True)]:
        with suppress(psutil.Error):
            sockets = one.net_connections(kind="inet")
            found |= {socket.laddr.ip for socket in sockets if socket.status == "LISTEN"}
    return found


def test_this_machine_passes_and_only_loopback_is_bound(
    corpus: Path, space: Path, cache: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "genretune.scripts.cli", "doctor", "--json"]
    where = ["--data", str(corpus), "--out", str(tmp_path / "runs")]
    with subprocess.Popen(
        [*command, *where, "--train", str(space)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"SOME_TOKEN": "not-to-be-printed"},
    ) as process:
        bound: set[str] = set()
        while process.poll() is None:
            with suppress(psutil.Error):
                bound |= listening(psutil.Process(process.pid))
            time.sleep(0.1)
        assert process.stdout is not None
        output = process.stdout.read()
    findings = json.loads(output)
    assert process.returncode == 0, findings
    assert {finding["check"] for finding in findings} >= {
        "versions",
        "data",
        "run directory",
        "storage",
        "cache",
        "clock",
        "ports",
        "training",
    }
    (training,) = [finding for finding in findings if finding["check"] == "training"]
    assert training["found"].startswith("weights ") and training["severity"] == "ok"
    assert list(tmp_path.iterdir()) == [], "nothing is left"
    assert "not-to-be-printed" not in output
    assert bound and all(ip.removeprefix("::ffff:") in ("127.0.0.1", "::1") for ip in bound), bound
