"""The status of a sweep, with and without a driver."""

from genretune.tune.run.journal import Journal
from genretune.tune.run.results import read_rows
from genretune.tune.run.running import Running, RunningTrial, write_running
from genretune.tune.run.status import read_status
from genretune.tune.space.load import space_from_json
from genretune.tune.storage.run_dir import RunDir
from genretune.tune.sweep.state_machine import StateMachine


def test_a_sweep_that_has_not_started(run: RunDir) -> None:
    status = read_status(run)
    assert status.counts["pending"] == 3
    assert (status.epochs, status.best, status.driver, status.idle) == (0, None, None, "")


def test_open_trials_run_only_under_a_driver(run: RunDir) -> None:
    with run.drive() as generation, Journal(run.journal) as journal:
        state_machine = StateMachine(space_from_json(run.sweep()["space"]))
        state_machine.begin(host="here", pid=1, environment={})
        for trial in range(3):
            state_machine.next_segment(range(trial))
            state_machine.report(trial, 1, 0.5 + trial, "a")
        state_machine.ended(0, "completed", 1, "patience")
        journal.append(state_machine.take_events())
        assert read_status(run).counts["running"] == 0, "the driver has not said so"
        trained = RunningTrial(1, "here", "cpu", 1)
        write_running(run, Running(generation, 2, waiting=(2,), trials=(trained,)))
        status = read_status(run)
        assert status.driver is not None
        assert [status.counts[name] for name in ("completed", "running", "waiting")] == [1, 1, 1]
        assert [row.status for row in read_rows(run)] == ["completed", "running", "paused"]
        assert status.idle == "every trial has been started"
    status = read_status(run)
    assert status.driver is None and status.idle == ""
    assert (status.counts["completed"], status.counts["paused"]) == (1, 2)
    assert status.epochs == 3
    assert status.best is not None and status.best.trial == 0
