"""``genretune status`` without a driver."""

import json

import pytest

from genretune.scripts.cli import run
from genretune.tune.storage.run_dir import RunDir


def test_the_status_in_words_and_as_json(
    run_dir: RunDir, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["status", str(run_dir.path), "--watch"]) == 0
    line = "trials: 2 completed, 1 paused; 2 epochs; best: trial 1, 0.4000; driver: none\n"
    assert capsys.readouterr().out == line
    assert run(["status", str(run_dir.path), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert list(facts) == ["trials", "epochs", "best", "driver", "idle"]
    assert (facts["best"]["trial"], facts["driver"], facts["idle"]) == (1, None, "")
