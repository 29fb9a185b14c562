"""A controller on a run directory of three trials, without Ray."""

from collections.abc import Callable
from pathlib import Path

import pytest

from genretune.tune.dispatch.sweep_controller import DriverSettings, SweepController
from genretune.tune.run.journal import Journal
from genretune.tune.space.load import space_from_text
from genretune.tune.storage.run_dir import RunDir
from genretune.tune.sweep.state_machine import StateMachine
from tests.spaces import tiny_space

SPACE = tiny_space(2)


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., SweepController]:
    """Make a controller for two workers; a second one continues the journal of the first."""
    run = RunDir(tmp_path / "run")
    run.create(SPACE, {"version": 1})

    def controller(io_timeout: float = 0.0) -> SweepController:
        journal = Journal(run.journal)
        state_machine = StateMachine(space_from_text(SPACE, "tiny.yaml", []), journal.events)
        state_machine.begin(host="here", pid=1, environment={})
        settings = DriverSettings(1, 2, io_timeout=io_timeout)
        return SweepController(run, state_machine, journal, settings)

    return controller
