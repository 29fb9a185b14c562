"""The short form of the soak test: one sweep on three nodes, killed twice at random times."""

from pathlib import Path

import pytest

from genretune.scripts.soaks.kill import differences, soak

pytestmark = pytest.mark.integration


def test_a_sweep_killed_at_random_times_ends_equal(tmp_path: Path) -> None:
    report = soak([0], 2, tmp_path, quiet=True)
    assert report.differences == []
    assert report.sweeps == 1 and sum(report.kills.values()) >= 1
    assert report.side_by_side >= 2, "workers ran side by side"


def test_differences_are_found() -> None:
    row = {"trial": 0, "status": "completed", "epochs": 2, "value": 0.5, "parameters": {}}
    row |= {"seed": 1, "weights_sha256": "a", "why": "all epochs"}
    report = {"event": "report", "trial": 0, "epoch": 1}
    assert differences([row], [row], [report]) == []
    assert differences([row], [row | {"value": 0.6}], []) == [
        "rank 1: value 0.5 undisturbed, 0.6 disturbed"
    ]
    assert differences([row], [], [report, report]) == [
        "1 trials undisturbed, 0 disturbed",
        "report (0, 1) is 2 times in the journal",
    ]
