"""The result of a sweep by rank. No times and no hosts, so that it is the same on any cluster."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from genretune.tune.metric_names import Mode, score
from genretune.tune.sweep.state import State, TrialState
from genretune.tune.sweep.sweep_rules import SweepRules

_GROUPS = ("completed", "stopped", "running", "paused", "pending", "diverged", "failed")


@dataclass(frozen=True, slots=True)
class Row:
    """One trial; ``weights_sha256`` is the digest after its last epoch."""

    trial: int
    status: str
    epochs: int
    value: float | None
    parameters: Mapping[str, object]
    seed: int
    weights_sha256: str | None
    best_epoch: int | None
    why: str


def leaderboard(state: State, running: Collection[int] = ()) -> list[Row]:
    """Return completed trials by value, then stopped ones by epochs and value, open ones, failures.

    Ties go to the lower trial.

    Args:
        running: trials with a running segment; other open trials are paused, or pending before
            their first epoch.
    """
    rows = [leaderboard_row(trial, state.rules, running) for trial in state.trials]
    return sorted(rows, key=lambda row: _rank_key(row, state.rules.mode))


def best_row(rows: Sequence[Row], mode: Mode) -> Row | None:
    """Return the best completed trial, or of all trials while none is completed; None without any.

    The one meaning of "best" for the leaderboard, the status, the progress display and replay.
    """
    valued = [row for row in rows if row.value is not None]
    completed = [row for row in valued if row.status == "completed"]
    return min(
        completed or valued, key=lambda row: (score(row.value, mode), row.trial), default=None
    )


def leaderboard_row(trial: TrialState, rules: SweepRules, running: Collection[int] = ()) -> Row:
    """Return the row of one trial."""
    return Row(
        trial=trial.index,
        status=trial.status or _open_status(trial, running),
        epochs=trial.epochs,
        value=trial.best,
        parameters=trial.parameters,
        seed=trial.seed,
        weights_sha256=trial.reports[-1][1] if trial.reports else None,
        best_epoch=trial.best_epoch or None,
        why=why(trial, rules),
    )


def why(trial: TrialState, rules: SweepRules) -> str:
    """Return why the trial ended, or what it waits for."""
    rungs = rules.rungs(trial.index)
    if trial.stopped_at is not None:
        compared = trial.verdicts[trial.stopped_at].compared
        return (
            f"stopped at rung {rungs.index(trial.stopped_at) + 1} (epoch {trial.stopped_at}): "
            f"rank {compared.place} of {compared.of}, top {compared.go_on} promoted"
        )
    if trial.stopped_by_user is not None:
        return f"stopped by the user after epoch {trial.epochs}"
    if trial.given_up is not None:
        return f"given up: {trial.given_up.why}"
    if trial.ended is not None:
        return trial.ended.why
    rung = trial.undecided(rungs)
    return "" if rung is None else f"held at epoch {rung}"


def _open_status(trial: TrialState, running: Collection[int]) -> str:
    if trial.index in running:
        return "running"
    return "paused" if trial.epochs else "pending"


def _rank_key(row: Row, mode: Mode) -> tuple[int, int, float, int]:
    epochs = 0 if row.status == "completed" else -row.epochs
    return (_GROUPS.index(row.status), epochs, score(row.value, mode), row.trial)
