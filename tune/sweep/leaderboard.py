"""The sweep's result in the order of rank; no times and no hosts in it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from genretune.tune.sweep.state import State, TrialState
from genretune.tune.sweep.sweep_rules import SweepRules

_GROUPS = ("completed", "stopped", "running", "paused", "pending", "diverged", "failed")


@dataclass(frozen=True, slots=True)
class Row:
    """One trial; ``weights_sha256`` is that of its last epoch."""

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
    """Completed trials by value, then stopped ones by epochs and value, open ones, failures.

    Ties go to the lower index. Open trials in ``running`` are running; others are paused, or
    pending before their first epoch.
    """
    rows = [row(trial, state.rules, running) for trial in state.trials]
    return sorted(rows, key=lambda one: _rank(one, state.rules))


def row(trial: TrialState, rules: SweepRules, running: Collection[int] = ()) -> Row:
    """One trial's row."""
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
    """Why the trial ended, or what it waits for."""
    if trial.stopped_at is not None:
        compared = trial.verdicts[trial.stopped_at].compared
        return (
            f"place {compared.place} of {compared.of} at epoch {trial.stopped_at}, "
            f"{compared.go_on} went on"
        )
    if trial.stopped_by_user is not None:
        return f"stopped by the user after epoch {trial.epochs}"
    if trial.given_up is not None:
        return f"given up: {trial.given_up.why}"
    if trial.ended is not None:
        return trial.ended.why
    rung = trial.undecided(rules.rungs(trial.index))
    return "" if rung is None else f"held at epoch {rung}"


def _open_status(trial: TrialState, running: Collection[int]) -> str:
    if trial.index in running:
        return "running"
    return "paused" if trial.epochs else "pending"


def _rank(one: Row, rules: SweepRules) -> tuple[int, int, float, int]:
    worst = float("inf")
    score = worst if one.value is None else (-one.value if rules.mode == "max" else one.value)
    epochs = 0 if one.status == "completed" else -one.epochs
    return (_GROUPS.index(one.status), epochs, score, one.trial)
