"""Derive every decision of a journal again, and compare.

Configurations follow from the space, the seed and what the lag rule let the sampler know;
verdicts follow from the values at the rungs. A difference need not be an error (a library may
sample differently after an upgrade), but it should be reported.
"""

from collections.abc import Sequence

from genretune.tune.samplers.sampler import build_sampler
from genretune.tune.samplers.suggest import config_key, suggest
from genretune.tune.space.distributions import strictly_equal
from genretune.tune.space.space import Space
from genretune.tune.sweep import asha
from genretune.tune.sweep.events import Event, Verdict
from genretune.tune.sweep.sampler_history import sampler_history
from genretune.tune.sweep.sampler_lag import blocking_trial, sampler_rungs
from genretune.tune.sweep.state import State, fold
from genretune.tune.sweep.state_machine import trial_seed
from genretune.tune.sweep.sweep_rules import rules_from_space


def audit(space: Space, events: Sequence[Event]) -> list[str]:
    """Return one line for each decision in the journal that is not derived again.

    Raises:
        DamagedRecord: the journal contradicts itself.
    """
    state = fold(rules_from_space(space), space.trials, events)
    return [*_configurations(space, state), *_verdicts(state)]


def _configurations(space: Space, state: State) -> list[str]:
    sampler, rungs = build_sampler(space), sampler_rungs(state.rules)
    seen: set[str] | None = None if space.size() is None else set()
    found: list[str] = []
    for trial in state.trials:
        block = blocking_trial(rungs, state, trial.index)
        if block is not None:
            found.append(
                f"trial {trial.index}: must be sampled after trial {block[0]} is settled at epoch "
                f"{block[1]}, got it earlier"
            )
        history = []
        if space.sampler.needs_history:
            history = sampler_history(rungs, state, trial.index, space.sampler.n_startup)
        derived = suggest(space, sampler, trial.index, history, seen)
        if derived is None or config_key(derived) != config_key(trial.parameters):
            keys = _differing(derived or {}, trial.parameters)
            found.append(f"trial {trial.index}: must have other parameters, got {keys}")
        if trial.seed != trial_seed(space, trial.index):
            found.append(
                f"trial {trial.index}: must have seed {trial_seed(space, trial.index)}, got "
                f"{trial.seed}"
            )
        if seen is not None:
            seen.add(config_key(trial.parameters))
    return found


def _verdicts(state: State) -> list[str]:
    found: list[str] = []
    derived: set[tuple[int, int]] = set()

    def compare(verdict: Verdict) -> None:
        derived.add((verdict.trial, verdict.rung))
        known = state.trials[verdict.trial].verdicts.get(verdict.rung)
        if known is not None and known != verdict:
            found.append(
                f"trial {verdict.trial}, epoch {verdict.rung}: verdict must be {verdict.verdict} "
                f"(rank {verdict.compared.place} of {verdict.compared.of}), got "
                f"{known.verdict} (rank {known.compared.place} of {known.compared.of})"
            )

    for bracket in asha.empty_brackets(state.rules):
        asha.decide(bracket, state, compare)
    for trial in state.trials:
        for rung in trial.verdicts:
            if (trial.index, rung) not in derived:
                found.append(
                    f"trial {trial.index}, epoch {rung}: must wait for lower trials, got a verdict"
                )
    return found


def _differing(derived: dict[str, object], known: dict[str, object]) -> str:
    """What differs, as ``key recorded instead of derived``."""
    keys = [k for k in {**derived, **known} if not strictly_equal(derived.get(k), known.get(k))]
    parts = [f"{key} {known.get(key)!r} instead of {derived.get(key)!r}" for key in keys]
    return ", ".join(parts)
