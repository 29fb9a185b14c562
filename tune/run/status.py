"""How far a sweep is, from its journal; needs no lock and no Ray."""

from dataclasses import dataclass

from genretune.tune.run.journal import read_journal
from genretune.tune.space.load import space_from_json
from genretune.tune.storage.run_dir import RunDir
from genretune.tune.sweep.leaderboard import Row, best_row, leaderboard
from genretune.tune.sweep.state_machine import StateMachine


@dataclass(frozen=True)
class Status:
    """Where a sweep stands.

    Attributes:
        counts: trials by state.
        epochs: reported so far, over all trials.
        best: the row with the best value, if any trial has one.
        driver: ``HOST:PID`` of a driver that holds the directory.
        idle: why a worker may have nothing to do.
    """

    counts: dict[str, int]
    epochs: int
    best: Row | None
    driver: str | None
    idle: str


def read_status(run: RunDir) -> Status:
    """Read a run directory.

    Raises:
        TuneError: this is no run directory.
    """
    space = space_from_json(run.sweep()["space"])
    state_machine = StateMachine(space, read_journal(run.journal) if run.journal.exists() else ())
    holder = run.holder()
    driver = run.driving()
    open_trials = [trial for trial in state_machine.state.trials if not trial.final]
    rungs = state_machine.state.rules.rungs
    running = [t.index for t in open_trials if t.undecided(rungs(t.index)) is None]
    busy = running if driver else []
    rows = leaderboard(state_machine.state, busy)
    return Status(
        counts=state_machine.counts(busy),
        epochs=sum(trial.epochs for trial in state_machine.state.trials),
        best=best_row(rows, state_machine.state.rules.mode),
        driver=f"{holder['host']}:{holder['pid']}" if driver else None,
        idle=state_machine.why_idle(busy) if driver else "",
    )
