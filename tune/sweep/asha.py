"""Asynchronous successive halving (https://arxiv.org/abs/1810.05934), decided in trial order.

The value of trial i at rung r is its best metric up to epoch r. The trial is promoted if it is
among the best ``max(1, floor(n / eta))`` of the n values reported at r by trials of its bracket up
to i; ties favour the lower index. The verdict is known once every lower trial of the bracket is
settled at r: reported there, or ended before. So the outcome is that of a sequential run, however
many workers there are.

``order: arrival`` is the classical rule: a trial is compared with those that reported earlier, in
the order of the journal.
"""

from bisect import bisect
from collections.abc import Callable
from dataclasses import dataclass, field

from genretune.tune.metric_names import score
from genretune.tune.sweep.events import Compared, Verdict
from genretune.tune.sweep.state import State, TrialState
from genretune.tune.sweep.sweep_rules import SweepRules

RankKey = tuple[float, int]
"""(score, trial): lower is better, and a tie goes to the lower trial."""


@dataclass
class Rung:
    """The values counted at one rung so far, best first.

    Attributes:
        epoch: the epoch of the rung.
        keys: sorted; one for each counted trial.
        passed: how many trials of the bracket were counted or skipped.
    """

    epoch: int
    keys: list[RankKey] = field(default_factory=list)
    passed: int = 0


@dataclass
class Bracket:
    """The rungs of one bracket."""

    number: int
    rungs: tuple[Rung, ...]


def empty_brackets(rules: SweepRules) -> list[Bracket]:
    """Return every bracket, with nothing counted yet."""
    return [
        Bracket(number, tuple(Rung(epoch) for epoch in rules.rung_epochs[number:]))
        for number in range(rules.brackets)
    ]


def decide(bracket: Bracket, state: State, record: Callable[[Verdict], None]) -> None:
    """Count what can be counted, from the lowest rung up, and record each verdict it decides.

    Args:
        record: called with each verdict at once, known ones included. It must apply the verdict to
            ``state`` before it returns: a stopped trial is settled at the higher rungs, which may
            decide the next verdict.
    """
    for rung in bracket.rungs:
        while (trial := _next_settled(bracket, rung, state)) is not None:
            rung.passed += 1
            if trial.epochs >= rung.epoch:
                record(judge(rung, trial, state.rules))


def judge(rung: Rung, trial: TrialState, rules: SweepRules) -> Verdict:
    """Count the trial's value and compare it with those counted before."""
    value = trial.bests[rung.epoch - 1]
    key = (score(value, rules.mode), trial.index)
    place = bisect(rung.keys, key)
    rung.keys.insert(place, key)
    promoted = max(1, len(rung.keys) // rules.factor)
    last_score, last_in = rung.keys[promoted - 1]
    return Verdict(
        trial=trial.index,
        rung=rung.epoch,
        verdict="continue" if place < promoted else "stop",
        compared=Compared(
            value=value,
            place=place + 1,
            of=len(rung.keys),
            go_on=promoted,
            last_in=last_in,
            last_value=_value_of(last_score, rules),
        ),
    )


def blocking_trial(bracket: Bracket, rung: int, state: State) -> int | None:
    """Return the trial that the next verdict at ``rung`` waits for; it may not exist yet."""
    found = next((r for r in bracket.rungs if r.epoch == rung), None)
    if found is None or state.rules.arrival:
        return None
    return bracket.number + found.passed * state.rules.brackets


def _next_settled(bracket: Bracket, rung: Rung, state: State) -> TrialState | None:
    """Return the next trial to count or to skip, if it is settled at the rung."""
    if state.rules.arrival:
        arrived = state.arrivals.get((bracket.number, rung.epoch), [])
        return state.trials[arrived[rung.passed]] if rung.passed < len(arrived) else None
    index = bracket.number + rung.passed * state.rules.brackets
    if index >= len(state.trials):
        return None
    trial = state.trials[index]
    return trial if trial.epochs >= rung.epoch or trial.final else None


def _value_of(rank_score: float, rules: SweepRules) -> float | None:
    """Return the metric of a score; None for one that was not finite."""
    if rank_score == float("inf"):
        return None
    return -rank_score if rules.mode == "max" else rank_score
