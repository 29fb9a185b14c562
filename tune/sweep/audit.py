"""Derive every decision of a journal again, and compare.

Configurations follow from the space, the seed and what the lag rule let the sampler know;
verdicts from the values at the rungs. A difference is not an error in itself (a library that
samples otherwise since an upgrade), but somebody should know.
"""

from collections.abc import Sequence

from genretune.tune.samplers.suggest import config_key, sampler, suggest
from genretune.tune.space.distributions import same
from genretune.tune.space.settings import TpeSampler
from genretune.tune.space.space import Space
from genretune.tune.sweep import asha, sampler_history
from genretune.tune.sweep.events import Event
from genretune.tune.sweep.state import State, fold
from genretune.tune.sweep.state_machine import trial_seed
from genretune.tune.sweep.sweep_rules import rules_from_space


def audit(space: Space, events: Sequence[Event]) -> list[str]:
    """One line for each decision that the journal holds and that is not derived again.

    Raises:
        DamagedRecord: the journal contradicts itself.
    """
    state = fold(rules_from_space(space), space.trials, events)
    return [*_configurations(space, state), *_verdicts(state)]


def _configurations(space: Space, state: State) -> list[str]:
    sample, view = sampler(space), sampler_history.levels(state.rules)
    seen: set[str] | None = None if space.size() is None else set()
    found: list[str] = []
    for trial in state.trials:
        block = sampler_history.blocker(view, state, trial.index)
        if block is not None:
            found.append(
                f"trial {trial.index}: must be chosen after trial {block[0]} is settled at epoch "
                f"{block[1]}, got it before"
            )
        history = []
        if isinstance(space.sampler, TpeSampler):
            history = sampler_history.history(view, state, trial.index, space.sampler.n_startup)
        derived = suggest(space, sample, trial.index, history, seen)
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
    for bracket_rungs in asha.ladders(state.rules):
        for verdict in asha.settle(bracket_rungs, state):
            derived.add((verdict.trial, verdict.rung))
            known = state.trials[verdict.trial].verdicts.get(verdict.rung)
            if known is not None and known != verdict:
                found.append(
                    f"trial {verdict.trial}, epoch {verdict.rung}: must be to {verdict.verdict} "
                    f"(place {verdict.compared.place} of {verdict.compared.of}), got "
                    f"{known.verdict} (place {known.compared.place} of {known.compared.of})"
                )
    for trial in state.trials:
        for rung in trial.verdicts:
            if (trial.index, rung) not in derived:
                found.append(
                    f"trial {trial.index}, epoch {rung}: must wait for lower trials, got a verdict"
                )
    return found


def _differing(derived: dict[str, object], known: dict[str, object]) -> str:
    """What differs, as ``key recorded instead of derived``."""
    keys = [k for k in {**derived, **known} if not same(derived.get(k), known.get(k))]
    parts = [f"{key} {known.get(key)!r} instead of {derived.get(key)!r}" for key in keys]
    return ", ".join(parts)
