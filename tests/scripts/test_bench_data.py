"""The data benchmark prints its figures, and both of its sides read the same samples."""

import json
import sys

import pytest

from genretune.scripts.benchmarks.data import main


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/smaps_rollup")
def test_the_figures_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--json", "--clips", "1", "--seconds", "1", "--rounds", "1"])
    facts = json.loads(capsys.readouterr().out)
    assert (facts["name"], facts["plain"]["windows"]) == ("data", 10)
    assert facts["ratios"]["gather"] > 0 and facts["ours"]["open_ms"] > 0
