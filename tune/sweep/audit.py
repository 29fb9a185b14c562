"""An audit of a journal: every decision is derived again and compared with the recorded one.

The journal is folded event by event, and each decision is derived from what was known by then:
configurations from the space, the seed and the history that the lag rule allows the sampler;
verdicts from the values at the rungs. A difference is not necessarily an error (a library may
sample differently after an upgrade), but it is reported.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from genretune.tune.samplers.suggest import config_key
from genretune.tune.space.distributions import strictly_equal
from genretune.tune.space.space import Space
from genretune.tune.sweep import asha
from genretune.tune.sweep.events import Created, Event, Verdict
from genretune.tune.sweep.state import State, state_from_events
from genretune.tune.sweep.sweep_rules import rules_from_space
from genretune.tune.sweep.trial_sampling import TrialSampling, trial_seed

_LAST_DIGITS = 1e-7
"""Relative difference that another CPU or version of a library makes of a draw of 8 digits."""


@dataclass(frozen=True)
class Finding:
    """A decision that is not derived again.

    Attributes:
        text: one line.
        last_digits: whether only the last digits of parameters differ, as they do when another CPU
            or another version of a library computed them.
    """

    text: str
    last_digits: bool = False


def audit(space: Space, events: Sequence[Event]) -> list[Finding]:
    """Return the decisions in the journal that are not derived again from what came before them.

    Raises:
        DamagedRecord: the journal contradicts itself.
    """
    # first as a whole, so that a damaged journal is told by the number of the event
    recorded = state_from_events(rules_from_space(space), space.trials, events)
    return _Audit(space, recorded).findings(events)


class _Audit:
    """One pass over a journal.

    Args:
        recorded: the state after its last event, for the verdicts that it holds.
    """

    def __init__(self, space: Space, recorded: State) -> None:
        self._space = space
        self._recorded = recorded
        self._state = State(rules_from_space(space), space.trials)
        self._sampling = TrialSampling(space, self._state)
        self._brackets = asha.empty_brackets(self._state.rules)
        self._derived: set[tuple[int, int]] = set()
        self._findings: list[Finding] = []

    def findings(self, events: Sequence[Event]) -> list[Finding]:
        for event in events:
            if isinstance(event, Created) and event.trial == len(self._state.trials):
                self._check_created(event)
            if isinstance(event, Verdict) and (event.trial, event.rung) not in self._derived:
                self._add(
                    f"trial {event.trial}, epoch {event.rung}: must wait for lower trials, got a "
                    "verdict"
                )
            self._state.apply(event)
            for bracket in self._brackets:
                asha.decide(bracket, self._state, self._check_verdict)
        return self._findings

    def _check_created(self, event: Created) -> None:
        """Compare parameters, seed and the time of sampling with what is derived."""
        trial = event.trial
        blocking = self._sampling.blocking_trial(trial)
        if blocking is not None:
            self._add(
                f"trial {trial}: must be sampled after trial {blocking[0]} is settled at epoch "
                f"{blocking[1]}, got it earlier"
            )
        derived = self._sampling.sample(trial) or {}
        if config_key(derived) != config_key(event.parameters):
            self._findings.append(_difference(trial, derived, event.parameters))
        if event.seed != trial_seed(self._space, trial):
            self._add(
                f"trial {trial}: must have seed {trial_seed(self._space, trial)}, got {event.seed}"
            )
        # the recorded configuration is the one that later trials did not repeat
        self._sampling.add_tried(event.parameters)

    def _check_verdict(self, verdict: Verdict) -> None:
        """Compare a derived verdict with the recorded one, and go on with that."""
        key = (verdict.trial, verdict.rung)
        self._derived.add(key)
        trials = self._recorded.trials
        recorded = trials[verdict.trial].verdicts.get(verdict.rung)
        if recorded is not None and recorded != verdict:
            self._add(
                f"trial {verdict.trial}, epoch {verdict.rung}: verdict must be {verdict.verdict} "
                f"(rank {verdict.compared.place} of {verdict.compared.of}), got "
                f"{recorded.verdict} (rank {recorded.compared.place} of {recorded.compared.of})"
            )
        # one that a killed driver did not write down any more follows all the same
        self._state.apply(recorded or verdict)

    def _add(self, text: str) -> None:
        self._findings.append(Finding(text))


def _difference(
    trial: int, derived: Mapping[str, object], recorded: Mapping[str, object]
) -> Finding:
    """Return what differs, each key as ``key recorded instead of derived``."""
    keys = [
        key
        for key in {**derived, **recorded}
        if not strictly_equal(derived.get(key), recorded.get(key))
    ]
    parts = [f"{key} {recorded.get(key)!r} instead of {derived.get(key)!r}" for key in keys]
    last_digits = all(_nearly_equal(derived.get(key), recorded.get(key)) for key in keys)
    rule = "differs in the last digits" if last_digits else "must have other parameters"
    return Finding(f"trial {trial}: {rule}, got {', '.join(parts)}", last_digits)


def _nearly_equal(one: object, other: object) -> bool:
    return (
        isinstance(one, float)
        and isinstance(other, float)
        and math.isclose(one, other, rel_tol=_LAST_DIGITS, abs_tol=0.0)
    )
