"""Where a sweep stands, in numbers and words."""

from collections import Counter
from collections.abc import Collection

from genretune.tune.sweep import asha, sampler_history
from genretune.tune.sweep.state import State

_STATUSES = ("completed", "stopped", "diverged", "failed", "running", "paused", "pending")


def counts(state: State, busy: Collection[int]) -> dict[str, int]:
    """How many trials there are of each status."""
    found: Counter[str] = Counter(
        trial.status or ("running" if trial.index in busy else "paused") for trial in state.trials
    )
    found["pending"] = state.total - len(state.trials)
    return {status: found[status] for status in _STATUSES}


def what_new_trials_wait_for(state: State, view: list[sampler_history.SamplerRung]) -> str:
    """Why no new trial is created, in words; empty when one could be."""
    new = len(state.trials)
    if new >= state.total:
        return "every trial has been started"
    block = sampler_history.blocker(view, state, new)
    if block is None:
        return ""
    trial, epoch = block
    return f"trial {new} is chosen once trial {trial} is settled at epoch {epoch} (sampler.lag)"


def what_held_trials_wait_for(
    state: State, ladders: list[asha.Bracket], busy: Collection[int]
) -> str:
    """Which verdict the lowest held trial waits for, in words; empty when none is held."""
    for trial in state.trials:
        rung = None if trial.final else trial.undecided(state.rules.rungs(trial.index))
        if rung is None:
            continue
        other = asha.waits_for(ladders[state.rules.bracket(trial.index)], rung, state)
        doing = "running" if other in busy else "not running"
        return f"trial {trial.index} is held at epoch {rung} for trial {other} ({doing})"
    return ""
