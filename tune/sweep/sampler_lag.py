"""When a sampler may be asked for trial i: a rule of indices, so that workers do not matter.

At the first rung the sampler needs every trial up to i - lag, at rung k (from 0) those up to
i - lag * eta^k; it is asked once they are settled there (reported, or ended before). Without early
termination the end of a trial is the only rung.
"""

from dataclasses import dataclass

from genretune.tune.sweep.state import State
from genretune.tune.sweep.sweep_rules import SweepRules


@dataclass
class SamplerRung:
    """A rung at which a sampler learns values.

    Attributes:
        epoch: the epoch of the rung.
        lag: how far below the new trial a trial must be to be known here.
        settled: all trials below this index are settled here; a cursor, so that asking again costs
            no second pass over the trials.
    """

    epoch: int
    lag: int
    settled: int = 0


def lag_warning(lag: int | None, workers: int) -> str | None:
    """Return what to tell whoever lets a sampler wait for trials that workers still train."""
    if lag is None or lag >= workers:
        return None
    return (
        f"sampler.lag: should be at least the {workers} trials that run at once, got {lag}: some "
        "workers will be idle (a new sweep may have a larger lag)"
    )


def sampler_rungs(rules: SweepRules) -> list[SamplerRung]:
    """Return the rungs from the first to the deepest; none for a sampler that needs no values."""
    if rules.lag is None:
        return []
    epochs = rules.rung_epochs or (rules.epochs,)
    return [SamplerRung(epoch, rules.lag * rules.factor**k) for k, epoch in enumerate(epochs)]


def blocking_trial(rungs: list[SamplerRung], state: State, index: int) -> tuple[int, int] | None:
    """Return (trial, epoch) that must settle before trial ``index`` is chosen; None if nothing."""
    for rung in rungs:
        while rung.settled < len(state.trials) and _settled(rung, state, rung.settled):
            rung.settled += 1
        if rung.settled <= index - rung.lag:
            return rung.settled, rung.epoch
    return None


def _settled(rung: SamplerRung, state: State, index: int) -> bool:
    trial = state.trials[index]
    if rung.epoch == state.rules.epochs:
        return trial.final
    return trial.epochs >= rung.epoch or trial.final
