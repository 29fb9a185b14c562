"""How far a sweep is, in numbers and in words."""

from collections import Counter
from collections.abc import Collection

from genretune.tune.sweep import asha, sampler_lag
from genretune.tune.sweep.state import State

_STATUSES = (
    *("completed", "stopped", "diverged", "failed"),
    *("running", "waiting", "paused", "pending"),
)


def counts(state: State, busy: Collection[int], waiting: Collection[int] = ()) -> dict[str, int]:
    """Return the number of trials by status.

    Args:
        busy: trials that a worker runs.
        waiting: trials that are to run and wait for a worker.
    """

    def open_status(trial: int) -> str:
        return "running" if trial in busy else "waiting" if trial in waiting else "paused"

    found = Counter[str](trial.status or open_status(trial.index) for trial in state.trials)
    found["pending"] = state.total - len(state.trials)
    return {status: found[status] for status in _STATUSES}


def why_no_new_trial(state: State, rungs: list[sampler_lag.SamplerRung]) -> str:
    """Return why no new trial is created, in words; empty when one could be."""
    new = len(state.trials)
    if new >= state.total:
        return "every trial has been started"
    block = sampler_lag.blocking_trial(rungs, state, new)
    if block is None:
        return ""
    trial, epoch = block
    return f"trial {new} is sampled once trial {trial} is settled at epoch {epoch} (sampler.lag)"


def why_held(state: State, brackets: list[asha.Bracket], busy: Collection[int]) -> str:
    """Return which verdict the lowest held trial waits for, in words; empty when none is held."""
    for trial in state.trials:
        rung = None if trial.final else trial.undecided(state.rules.rungs(trial.index))
        if rung is None:
            continue
        other = asha.blocking_trial(brackets[state.rules.bracket(trial.index)], rung, state)
        doing = "running" if other in busy else "not running"
        return f"trial {trial.index} is held at epoch {rung} until trial {other} reports ({doing})"
    return ""
