"""Asynchronous successive halving (https://arxiv.org/abs/1810.05934), in an order of its own.

The value of trial i at rung r is its best metric up to epoch r. It goes on when it is among the
best ``max(1, floor(n / eta))`` of the n values reported at r by the trials up to i of its bracket;
ties favour the lower index. The verdict is known once every lower trial of the bracket is settled
at r: reported there, or ended before. So the outcome is that of a sequential run, however many
workers there are.

``order: arrival`` is the classical rule: compared with whoever came before, in the order of the
reports in the journal.
"""

from bisect import bisect
from collections.abc import Iterator
from dataclasses import dataclass, field

from genretune.tune.sweep.events import Compared, Verdict
from genretune.tune.sweep.state import State, TrialState
from genretune.tune.sweep.sweep_rules import SweepRules

Key = tuple[float, int]


@dataclass
class Rung:
    """The values counted at one rung so far, best first.

    Attributes:
        epoch: where the rung is.
        keys: (value, negated where more is better; trial), sorted.
        passed: how many of the bracket's trials were counted or passed over.
    """

    epoch: int
    keys: list[Key] = field(default_factory=list)
    passed: int = 0


@dataclass
class Bracket:
    """The rungs of one bracket."""

    bracket: int
    rungs: tuple[Rung, ...]


def ladders(rules: SweepRules) -> list[Bracket]:
    """One for each bracket, nothing counted yet."""
    return [
        Bracket(bracket, tuple(Rung(epoch) for epoch in rules.levels[bracket:]))
        for bracket in range(rules.brackets)
    ]


def settle(bracket_rungs: Bracket, state: State) -> Iterator[Verdict]:
    """Count what can be counted and yield each verdict that it decides, known ones included.

    The caller records a verdict before it asks for the next: a stop settles the rungs above.
    """
    for rung in bracket_rungs.rungs:
        while (trial := _next(bracket_rungs, rung, state)) is not None:
            rung.passed += 1
            if trial.epochs >= rung.epoch:
                yield judge(rung, trial, state.rules)


def judge(rung: Rung, trial: TrialState, rules: SweepRules) -> Verdict:
    """Count the trial's value and compare it with those counted before."""
    value = trial.bests[rung.epoch - 1]
    key = (_score(value, rules), trial.index)
    place = bisect(rung.keys, key)
    rung.keys.insert(place, key)
    go_on = max(1, len(rung.keys) // rules.factor)
    score, last_in = rung.keys[go_on - 1]
    return Verdict(
        trial=trial.index,
        rung=rung.epoch,
        verdict="continue" if place < go_on else "stop",
        compared=Compared(
            value=value,
            place=place + 1,
            of=len(rung.keys),
            go_on=go_on,
            last_in=last_in,
            last_value=_value(score, rules),
        ),
    )


def waits_for(bracket_rungs: Bracket, rung: int, state: State) -> int | None:
    """The trial that holds up the verdicts at the rung; it may not be created yet."""
    found = next((r for r in bracket_rungs.rungs if r.epoch == rung), None)
    if found is None or state.rules.arrival:
        return None
    return bracket_rungs.bracket + found.passed * state.rules.brackets


def _next(bracket_rungs: Bracket, rung: Rung, state: State) -> TrialState | None:
    """The next trial to count or to pass over, if it is settled at the rung."""
    if state.rules.arrival:
        arrived = state.arrivals.get((bracket_rungs.bracket, rung.epoch), [])
        return state.trials[arrived[rung.passed]] if rung.passed < len(arrived) else None
    index = bracket_rungs.bracket + rung.passed * state.rules.brackets
    if index >= len(state.trials):
        return None
    trial = state.trials[index]
    return trial if trial.epochs >= rung.epoch or trial.final else None


def _score(value: float | None, rules: SweepRules) -> float:
    """Less is better; nothing is worse than a value that is not finite."""
    if value is None:
        return float("inf")
    return -value if rules.mode == "max" else value


def _value(score: float, rules: SweepRules) -> float | None:
    if score == float("inf"):
        return None
    return -score if rules.mode == "max" else score
