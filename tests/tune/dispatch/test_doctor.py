"""What the facts of a node mean."""

import socket
from pathlib import Path
from typing import Any

import pytest

from genretune.tune.dispatch.doctor import judge, probe, reach
from genretune.tune.storage.object_store import ObjectStore
from tests.s3_server import S3


def test_this_machine_is_fit_and_says_what_it_is(tmp_path: Path) -> None:
    facts = probe({"data": str(tmp_path), "out": str(tmp_path / "runs" / "new")})
    findings = judge("here", facts, facts, (facts["time"], facts["time"]))
    assert all(finding.ok for finding in findings), findings
    names = {finding.check for finding in findings}
    assert {"versions", "data", "storage", "free disk", "free memory", "GPUs", "clock"} <= names
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "check", "found"),
    [
        ({"python": "3.9"}, "versions", "python 3.9 instead of"),
        ({"data": "No such file or directory: /x"}, "data", "No such file"),
        ({"storage": "Read-only file system: /x", "disk": 0}, "storage", "Read-only"),
        ({"disk": 1e6}, "free disk", "0.0 GB"),
        ({"memory": 1e6}, "free memory", "0.0 GB"),
        ({"time": 0.0}, "clock", "s off"),
    ],
)
def test_each_fault_has_a_remedy(
    change: dict[str, Any], check: str, found: str, tmp_path: Path
) -> None:
    own = probe({"data": str(tmp_path), "out": str(tmp_path)})
    span = (own["time"], own["time"] + 1)
    wrong = [finding for finding in judge("there", own | change, own, span) if not finding.ok]
    assert check in [finding.check for finding in wrong]
    (finding,) = [finding for finding in wrong if finding.check == check]
    assert found in finding.found and finding.remedy


def test_what_cannot_be_read_or_written_is_told() -> None:
    facts = probe({"data": "/nowhere/at/all", "out": "/proc/runs"})
    assert "No such file" in facts["data"]
    assert facts["storage"] != "writable" and facts["disk"] == 0


def test_a_port_is_reached_or_the_reason_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        assert reach(address) == ""
        assert probe({"data": None, "out": None, "head": address})["head"] == ""
    assert "Connection refused" in reach(address)


def test_s3_is_tried_where_it_is_asked_for(s3: S3) -> None:
    own = {"data": None, "out": None}
    facts = probe({**own, "storage": s3.uri("doctor")})
    assert facts["s3"] == "writable" and ObjectStore(s3.uri("doctor")).sizes() == {}
    wrong = probe({**own, "storage": s3.uri("doctor", bucket="another")})
    (finding,) = [one for one in judge("x", wrong, wrong, (0.0, 9e9)) if one.check == "S3"]
    assert "bucket" in finding.found and "credentials" in finding.remedy
