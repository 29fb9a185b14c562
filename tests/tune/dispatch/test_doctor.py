"""Facts of a node become findings, each problem with a remedy."""

import socket
from pathlib import Path
from typing import Any

import pytest

from genretune.tune.dispatch.doctor import assess, collect_facts, connection_error
from genretune.tune.storage.object_store import ObjectStore
from tests.s3_server import S3


def test_this_machine_passes_every_check(tmp_path: Path) -> None:
    facts = collect_facts({"data": str(tmp_path), "out": str(tmp_path / "runs" / "new")})
    findings = assess("here", facts, facts, (facts["time"], facts["time"]))
    assert all(finding.ok for finding in findings), findings
    names = {finding.check for finding in findings}
    assert {"versions", "data", "run directory", "free disk", "free memory", "clock"} <= names
    assert {"answers", "machine class", "GPUs"} <= names
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "check", "found"),
    [
        ({"python": "3.9"}, "versions", "python 3.9 instead of"),
        ({"data": "No such file or directory: /x"}, "data", "No such file"),
        ({"run_directory": "Read-only file system: /x", "disk": 0}, "run directory", "Read-only"),
        ({"disk": 1e6}, "free disk", "0.0 GB"),
        ({"memory": 1e6}, "free memory", "0.0 GB"),
        ({"time": 0.0}, "clock", "s off"),
    ],
)
def test_each_problem_has_a_remedy(
    change: dict[str, Any], check: str, found: str, tmp_path: Path
) -> None:
    own = collect_facts({"data": str(tmp_path), "out": str(tmp_path)})
    span = (own["time"], own["time"] + 1)
    wrong = [finding for finding in assess("there", own | change, own, span) if not finding.ok]
    assert check in [finding.check for finding in wrong]
    (finding,) = [finding for finding in wrong if finding.check == check]
    assert found in finding.found and finding.remedy


def test_unreadable_data_and_unwritable_run_directories_are_reported() -> None:
    facts = collect_facts({"data": "/nowhere/at/all", "out": "/proc/runs"})
    assert "No such file" in facts["data"]
    assert facts["run_directory"] != "writable" and facts["disk"] == 0


def test_a_port_that_accepts_no_connection_is_reported_with_the_reason() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        assert connection_error(address) == ""
        assert collect_facts({"data": None, "out": None, "head": address})["head"] == ""
    assert "Connection refused" in connection_error(address)


def test_s3_is_checked_on_request(s3: S3) -> None:
    own = {"data": None, "out": None}
    facts = collect_facts({**own, "storage": s3.uri("doctor")})
    assert facts["s3"] == "writable" and ObjectStore(s3.uri("doctor")).sizes() == {}
    wrong = collect_facts({**own, "storage": s3.uri("doctor", bucket="another")})
    (finding,) = [one for one in assess("x", wrong, wrong, (0.0, 9e9)) if one.check == "S3"]
    assert "bucket" in finding.found and "credentials" in finding.remedy
