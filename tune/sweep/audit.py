"""An audit of a journal: every decision is derived again and compared with the recorded one.

Configurations follow from the space, the seed and the history that the lag rule allows the
sampler; verdicts follow from the values at the rungs. A difference is not necessarily an error (a
library may sample differently after an upgrade), but it is reported.
"""

from collections.abc import Sequence

from genretune.tune.samplers.suggest import config_key
from genretune.tune.space.distributions import strictly_equal
from genretune.tune.space.space import Space
from genretune.tune.sweep import asha
from genretune.tune.sweep.events import Event, Verdict
from genretune.tune.sweep.state import State, state_from_events
from genretune.tune.sweep.sweep_rules import rules_from_space
from genretune.tune.sweep.trial_sampling import TrialSampling, trial_seed


def audit(space: Space, events: Sequence[Event]) -> list[str]:
    """Return one line for each decision in the journal that is not derived again.

    Raises:
        DamagedRecord: the journal contradicts itself.
    """
    state = state_from_events(rules_from_space(space), space.trials, events)
    return [*_configurations(space, state), *_verdicts(state)]


def _configurations(space: Space, state: State) -> list[str]:
    """Return the differences in parameters, seeds and the time of sampling."""
    sampling = TrialSampling(space, state)
    differences: list[str] = []
    for trial in state.trials:
        # the state is that after the last event, so this finds only trials that never settled
        blocking = sampling.blocking_trial(trial.index)
        if blocking is not None:
            differences.append(
                f"trial {trial.index}: must be sampled after trial {blocking[0]} is settled at "
                f"epoch {blocking[1]}, got it earlier"
            )
        derived = sampling.sample(trial.index)
        if derived is None or config_key(derived) != config_key(trial.parameters):
            parameters = _parameter_differences(derived or {}, trial.parameters)
            differences.append(f"trial {trial.index}: must have other parameters, got {parameters}")
        if trial.seed != trial_seed(space, trial.index):
            differences.append(
                f"trial {trial.index}: must have seed {trial_seed(space, trial.index)}, got "
                f"{trial.seed}"
            )
        # the recorded configuration is the one that later trials did not repeat
        sampling.add_tried(trial.parameters)
    return differences


def _verdicts(state: State) -> list[str]:
    """Return the verdicts that differ, and those that cannot be derived."""
    differences: list[str] = []
    derived: set[tuple[int, int]] = set()

    def compare(verdict: Verdict) -> None:
        derived.add((verdict.trial, verdict.rung))
        recorded = state.trials[verdict.trial].verdicts.get(verdict.rung)
        if recorded is not None and recorded != verdict:
            differences.append(
                f"trial {verdict.trial}, epoch {verdict.rung}: verdict must be {verdict.verdict} "
                f"(rank {verdict.compared.place} of {verdict.compared.of}), got "
                f"{recorded.verdict} (rank {recorded.compared.place} of {recorded.compared.of})"
            )

    for bracket in asha.empty_brackets(state.rules):
        asha.decide(bracket, state, compare)
    for trial in state.trials:
        for rung in trial.verdicts:
            if (trial.index, rung) not in derived:
                differences.append(
                    f"trial {trial.index}, epoch {rung}: must wait for lower trials, got a verdict"
                )
    return differences


def _parameter_differences(derived: dict[str, object], recorded: dict[str, object]) -> str:
    """Return the keys that differ, each as ``key recorded instead of derived``."""
    keys = [
        key
        for key in {**derived, **recorded}
        if not strictly_equal(derived.get(key), recorded.get(key))
    ]
    parts = [f"{key} {recorded.get(key)!r} instead of {derived.get(key)!r}" for key in keys]
    return ", ".join(parts)
