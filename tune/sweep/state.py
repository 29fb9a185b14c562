"""The state of a sweep as the fold of its events: ``state = fold(journal)``.

The fold decides nothing: it records what was created, reported and judged. It is idempotent (a
worker announces again the epochs that its checkpoint holds) and does not depend on how events of
different trials interleave.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from genretune.tune.errors import Contradiction, DamagedRecord, RunFailure
from genretune.tune.sweep.events import (
    Created,
    Driver,
    Ended,
    Event,
    Exhausted,
    Extended,
    GiveUp,
    Lost,
    Report,
    Stop,
    Verdict,
)
from genretune.tune.sweep.sweep_rules import SweepRules

Final = Literal["completed", "stopped", "diverged", "failed"]


@dataclass(slots=True)
class TrialState:
    """What is known about one trial.

    Attributes:
        reports: (value, weights digest) after each epoch, from the first.
        bests: best value up to each epoch.
        best_epoch: the epoch of the best value, the first of equal ones; 0 before any.
        verdicts: by the rung's epoch.
        ended: its own end.
        given_up: declared failed by the user.
        stopped_by_user: after that many epochs.
        losses: (driver generation, epochs reported by then) of each loss.
    """

    index: int
    parameters: dict[str, object]
    seed: int
    reports: list[tuple[float | None, str]] = field(default_factory=list)
    bests: list[float | None] = field(default_factory=list)
    best_epoch: int = 0
    verdicts: dict[int, Verdict] = field(default_factory=dict)
    ended: Ended | None = None
    given_up: GiveUp | None = None
    stopped_by_user: int | None = None
    losses: list[tuple[int, int]] = field(default_factory=list)
    stopped_at: int | None = None
    """The rung at which a verdict stopped it."""

    @property
    def epochs(self) -> int:
        """Epochs reported."""
        return len(self.reports)

    @property
    def best(self) -> float | None:
        """The best value of all epochs."""
        return self.bests[-1] if self.bests else None

    @property
    def status(self) -> Final | None:
        """How it ended, if it did; a verdict is above all else, then the user's word."""
        if self.stopped_at is not None or self.stopped_by_user is not None:
            return "stopped"
        if self.given_up is not None:
            return "failed"
        return None if self.ended is None else self.ended.status

    @property
    def final(self) -> bool:
        """Whether no more epochs will be trained."""
        return self.status is not None

    def undecided(self, rungs: tuple[int, ...]) -> int | None:
        """The rung that the trial has reached without a verdict yet."""
        for rung in rungs:
            if rung > self.epochs:
                return None
            if rung not in self.verdicts:
                return rung
        return None


class State:
    """All trials created so far, and what concerns the sweep as a whole.

    Attributes:
        trials: by index, without gaps.
        target: how many trials the sweep is to have, extensions included.
        exhausted: how many different configurations there are, once that is known.
        generation: of the present driver.
        draining: no new segments until the next driver.
        arrivals: (bracket, rung) -> trials in the order of their reports there, kept only where
            verdicts depend on it.
    """

    def __init__(self, rules: SweepRules, trials: int) -> None:
        self.rules = rules
        self.trials: list[TrialState] = []
        self.target = trials
        self.exhausted: int | None = None
        self.generation = 0
        self.draining = False
        self.arrivals: dict[tuple[int, int], list[int]] = {}

    @property
    def total(self) -> int:
        """How many trials there will be."""
        return self.target if self.exhausted is None else min(self.target, self.exhausted)

    def apply(self, event: Event) -> bool:
        """Record the event; whether it told anything new.

        Raises:
            Contradiction: the same thing was recorded before, differently.
            RunFailure: the event cannot follow what is recorded.
        """
        match event:
            case Report():
                return self._report(event)
            case Verdict():
                return self._verdict(event)
            case Created():
                return self._created(event)
            case Ended():
                return self._ended(event)
            case Lost():
                self._trial(event.trial, event).losses.append((event.generation, event.epochs))
            case GiveUp():
                self._trial(event.trial, event).given_up = event
            case Stop():
                return self._stop(event)
            case Extended():
                self.target = max(self.target, event.trials)
            case Exhausted():
                self.exhausted = event.trials
            case Driver():
                self.generation = event.generation
                self.draining = False
        return True

    def recall(self, events: Iterable[Event]) -> None:
        """Record the events of a journal.

        Raises:
            DamagedRecord: they cannot follow one another.
        """
        for number, event in enumerate(events, start=1):
            try:
                self.apply(event)
            except RunFailure as error:
                told = str(error).removeprefix("journal: ")
                raise DamagedRecord(f"journal, event {number}: {told}") from error

    def _trial(self, index: int, event: Event) -> TrialState:
        if not 0 <= index < len(self.trials):
            raise RunFailure(f"journal: trial {index} must be created before {event.event}")
        return self.trials[index]

    def _created(self, event: Created) -> bool:
        if 0 <= event.trial < len(self.trials):
            known = self.trials[event.trial]
            if (known.parameters, known.seed) != (event.parameters, event.seed):
                raise Contradiction(
                    f"trial {event.trial}: must keep its configuration, got another one"
                )
            return False
        if event.trial != len(self.trials):
            raise RunFailure(
                f"journal: trial {len(self.trials)} must be created next, got {event.trial}"
            )
        self.trials.append(TrialState(event.trial, event.parameters, event.seed))
        return True

    def _report(self, event: Report) -> bool:
        trial = self._trial(event.trial, event)
        epoch, told = event.epoch, (event.value, event.weights_sha256)
        if 1 <= epoch <= trial.epochs:
            if trial.reports[epoch - 1] != told:
                known = trial.reports[epoch - 1]
                raise Contradiction(
                    f"trial {event.trial}, epoch {epoch}: must have the value and the weights "
                    f"reported before, {known[0]} and {known[1][:12]}, got {event.value} and "
                    f"{event.weights_sha256[:12]} (the trial did not repeat itself)"
                )
            return False
        if trial.final:
            return False
        if epoch != trial.epochs + 1 or epoch > self.rules.epochs:
            raise RunFailure(
                f"trial {event.trial}: epoch {trial.epochs + 1} of {self.rules.epochs} must be "
                f"reported next, got {epoch}"
            )
        rungs = self.rules.rungs(event.trial)
        waiting = trial.undecided(rungs)
        if waiting is not None:
            raise RunFailure(
                f"trial {event.trial}: must be held at epoch {waiting}, got epoch {epoch}"
            )
        best = trial.best
        if trial.best_epoch == 0 or self.rules.better(event.value, best):
            best, trial.best_epoch = event.value, epoch
        trial.reports.append(told)
        trial.bests.append(best)
        if self.rules.arrival and epoch in rungs:
            key = (self.rules.bracket(event.trial), epoch)
            self.arrivals.setdefault(key, []).append(event.trial)
        return True

    def _verdict(self, event: Verdict) -> bool:
        trial = self._trial(event.trial, event)
        known = trial.verdicts.get(event.rung)
        if known is not None:
            if known != event:
                raise Contradiction(
                    f"trial {event.trial}, rung {event.rung}: must keep its verdict, "
                    f"{known.verdict}, got {event.verdict}"
                )
            return False
        if not 1 <= event.rung <= trial.epochs:
            raise RunFailure(
                f"journal: trial {event.trial} must have reported epoch {event.rung} before "
                "the verdict on it"
            )
        trial.verdicts[event.rung] = event
        if event.verdict == "stop":
            trial.stopped_at = event.rung
        return True

    def _ended(self, event: Ended) -> bool:
        trial = self._trial(event.trial, event)
        if trial.ended is not None:
            if trial.ended.status != event.status:
                raise Contradiction(
                    f"trial {event.trial}: must end as before, {trial.ended.status}, got "
                    f"{event.status}"
                )
            return False
        trial.ended = event
        return True

    def _stop(self, event: Stop) -> bool:
        if event.trial is None:
            self.draining = True
            return True
        trial = self._trial(event.trial, event)
        if trial.final:
            return False
        trial.stopped_by_user = event.epochs
        return True


def fold(rules: SweepRules, trials: int, events: Iterable[Event]) -> State:
    """The state after the events."""
    state = State(rules, trials)
    state.recall(events)
    return state
