"""``genretune stop``: with and without a driver."""

import json
import platform
import threading

import pytest

from genretune.scripts.cli import run
from genretune.tune.storage.run_dir import RunDir


def test_a_trial_is_stopped_under_the_lock(
    run_dir: RunDir, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["stop", str(run_dir.path), "0"]) == 2
    assert "TRIAL: must be open, got trial 0, which is completed" in capsys.readouterr().err
    assert run(["stop", str(run_dir.path), "7"]) == 2
    assert "must have been created, got 7 of 3" in capsys.readouterr().err
    assert run(["stop", str(run_dir.path), "2"]) == 0
    last = json.loads(run_dir.journal.read_text().splitlines()[-1])
    assert (last["event"], last["trial"]) == ("stop", 2)
    assert not run_dir.has_driver()


def test_a_driver_that_does_not_react(run_dir: RunDir, capsys: pytest.CaptureFixture[str]) -> None:
    holder = {"generation": 1, "host": platform.node() + "-other", "pid": 1, "started": 0.0}
    run_dir.driver_json.write_text(json.dumps(holder))
    assert run(["stop", str(run_dir.path), "2", "--wait", "0.3"]) == 1
    assert (
        "must process a stop request within 0.3 s, got no reaction yet" in capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("trial", "message"),
    [([], "the driver has exited in the meantime"), (["2"], "trial 2: stopped")],
)
def test_a_driver_that_exits_before_it_reacts(
    trial: list[str], message: str, run_dir: RunDir, capsys: pytest.CaptureFixture[str]
) -> None:
    holder = {"generation": 1, "host": platform.node() + "-other", "pid": 1, "started": 0.0}
    run_dir.driver_json.write_text(json.dumps(holder))
    gone = threading.Timer(
        0.5, lambda: run_dir.driver_json.write_text(json.dumps({**holder, "pid": None}))
    )
    gone.start()
    assert run(["stop", str(run_dir.path), *trial]) == 0
    gone.join()
    assert message in capsys.readouterr().out
    assert not list((run_dir.path / "requests").iterdir())
