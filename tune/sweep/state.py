"""The state of a sweep, derived from its events and from nothing else.

Applying an event decides nothing: it records what was created, reported and decided. It is
idempotent (a resumed worker reports again the epochs in its checkpoint), and the result does not
depend on how the events of different trials interleave.
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

FinalStatus = Literal["completed", "stopped", "diverged", "failed"]


@dataclass(slots=True)
class TrialState:
    """The state of one trial.

    Attributes:
        index: of the trial in the sweep, from 0.
        parameters: flat configuration.
        seed: of its training.
        reports: (value, weights digest) after each epoch, from the first.
        bests: the best value up to each epoch.
        best_epoch: the epoch of the best value, the first of equal ones; 0 before any report.
        verdicts: by the epoch of the rung.
        ended: how it ended by itself; None if it has not.
        given_up: the event by which the user declared it failed.
        stopped_by_user: epochs after which the user stopped it.
        losses: (driver generation, epochs reported by then) of each lost worker.
        workers_killed: how many of them were lost without their node.
        stopped_at: the epoch of the rung at which a verdict stopped it.
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
    workers_killed: int = 0
    stopped_at: int | None = None

    @property
    def epochs(self) -> int:
        """Number of epochs reported."""
        return len(self.reports)

    @property
    def best(self) -> float | None:
        """Best value of all epochs; None without a finite one."""
        return self.bests[-1] if self.bests else None

    @property
    def status(self) -> FinalStatus | None:
        """Final status; None while the trial is open."""
        # A verdict or a user's decision can meet an end that the worker reported in the meantime.
        # It takes precedence, so that the status does not depend on which event came first.
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
        """Return the rung that the trial has reached without a verdict so far; None if decided.

        Args:
            rungs: epochs of the trial's rungs, ascending.
        """
        for rung in rungs:
            if rung > self.epochs:
                return None
            if rung not in self.verdicts:
                return rung
        return None


class State:
    """The trials created so far, and the state of the sweep as a whole.

    Attributes:
        trials: by index, without gaps.
        target: number of trials that the user asked for, extensions included.
        exhausted: number of different configurations, once the sampler has run out of them.
        generation: of the current driver; 0 before the first.
        draining: whether the user drained the sweep: no segment starts until the next driver.
        arrivals: (bracket, epoch of the rung) -> trials in the order of their reports there; kept
            only for ``order: arrival``, whose verdicts depend on it.
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
        """Number of trials that the sweep will have."""
        return self.target if self.exhausted is None else min(self.target, self.exhausted)

    def apply(self, event: Event) -> bool:
        """Apply an event; return False if it repeats what is recorded, and changes nothing.

        Raises:
            Contradiction: the event differs from one recorded for the same trial, epoch or rung.
            RunFailure: the event cannot follow those applied so far.
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
                trial = self._trial(event.trial, event)
                trial.losses.append((event.generation, event.epochs))
                trial.workers_killed += not event.node_left
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

    def apply_all(self, events: Iterable[Event]) -> None:
        """Apply the events of a journal.

        Raises:
            DamagedRecord: an event cannot follow those before it; names its number.
        """
        for number, event in enumerate(events, start=1):
            try:
                self.apply(event)
            except RunFailure as error:
                reason = str(error).removeprefix("journal: ")
                raise DamagedRecord(f"journal, event {number}: {reason}") from error

    def _trial(self, index: int, event: Event) -> TrialState:
        if not 0 <= index < len(self.trials):
            raise RunFailure(f"journal: trial {index} must be created before {event.event}")
        return self.trials[index]

    def _created(self, event: Created) -> bool:
        if 0 <= event.trial < len(self.trials):
            recorded = self.trials[event.trial]
            if (recorded.parameters, recorded.seed) != (event.parameters, event.seed):
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
        epoch, report = event.epoch, (event.value, event.weights_sha256)
        if 1 <= epoch <= trial.epochs:
            if trial.reports[epoch - 1] != report:
                value, digest = trial.reports[epoch - 1]
                raise Contradiction(
                    f"trial {event.trial}, epoch {epoch}: must have the value and the weights "
                    f"reported before, {value} and {digest[:12]}, got {event.value} and "
                    f"{event.weights_sha256[:12]} (repeated training gave other results)"
                )
            return False
        if trial.final:
            # The worker finished an epoch before it learned that its trial was stopped. To count
            # it would make the outcome depend on timing.
            return False
        if epoch != trial.epochs + 1 or epoch > self.rules.epochs:
            raise RunFailure(
                f"trial {event.trial}: epoch {trial.epochs + 1} of {self.rules.epochs} must be "
                f"reported next, got {epoch}"
            )
        rungs = self.rules.rungs(event.trial)
        held_at = trial.undecided(rungs)
        if held_at is not None:
            raise RunFailure(
                f"trial {event.trial}: must be held at epoch {held_at}, got epoch {epoch}"
            )
        best = trial.best
        # strictly better: of equal values the first is the best epoch
        if trial.best_epoch == 0 or self.rules.better(event.value, best):
            best, trial.best_epoch = event.value, epoch
        trial.reports.append(report)
        trial.bests.append(best)
        if self.rules.arrival and epoch in rungs:
            key = (self.rules.bracket(event.trial), epoch)
            self.arrivals.setdefault(key, []).append(event.trial)
        return True

    def _verdict(self, event: Verdict) -> bool:
        trial = self._trial(event.trial, event)
        recorded = trial.verdicts.get(event.rung)
        if recorded is not None:
            if recorded != event:
                raise Contradiction(
                    f"trial {event.trial}, rung {event.rung}: must keep its verdict, "
                    f"{recorded.verdict}, got {event.verdict}"
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
        if not trial.final and event.epochs > trial.epochs:
            raise RunFailure(
                f"trial {event.trial}: must have reported all epochs before its end after "
                f"{event.epochs}, got {trial.epochs}"
            )
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


def state_from_events(rules: SweepRules, trials: int, events: Iterable[Event]) -> State:
    """Return the state of a sweep of ``trials`` trials after the events.

    Raises:
        DamagedRecord: an event cannot follow those before it; names its number.
    """
    state = State(rules, trials)
    state.apply_all(events)
    return state
