"""The status of a sweep, derived from its journal; needs neither the lock nor Ray."""

from dataclasses import dataclass

from genretune.tune.run.journal import read_events
from genretune.tune.run.running import Running, read_running
from genretune.tune.space.load import space_from_json
from genretune.tune.storage.run_dir import RunDir
from genretune.tune.sweep.leaderboard import Row, best_row, leaderboard
from genretune.tune.sweep.state_machine import StateMachine


@dataclass(frozen=True)
class Status:
    """Progress of a sweep.

    Attributes:
        counts: number of trials by status.
        epochs: reported so far, over all trials.
        best: the row of the best trial; None before any value.
        driver: ``HOST:PID`` of the driver that holds the directory; None without one.
        idle: why a worker may be idle; empty if none is, or without a driver.
        running: what workers train now; None without a driver that has said so.
    """

    counts: dict[str, int]
    epochs: int
    best: Row | None
    driver: str | None
    idle: str
    running: Running | None = None


def read_status(run: RunDir) -> Status:
    """Return the status of a run directory.

    Raises:
        TuneError: not a run directory.
        DamagedRecord: the journal is damaged.
    """
    space = space_from_json(run.sweep()["space"])
    state_machine = StateMachine(space, read_events(run))
    state = state_machine.state
    holder = run.holder()
    has_driver, running = run.has_driver(), read_running(run)
    busy = [] if running is None else running.indices
    ordered = busy if running is None else [*busy, *running.waiting]
    return Status(
        counts=state_machine.counts(busy, () if running is None else running.waiting),
        epochs=sum(trial.epochs for trial in state.trials),
        best=best_row(leaderboard(state, busy), state.rules.mode),
        driver=f"{holder['host']}:{holder['pid']}" if has_driver else None,
        idle=state_machine.why_idle(ordered) if has_driver else "",
        running=running,
    )
