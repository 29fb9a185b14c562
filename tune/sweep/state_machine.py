"""The sweep's state machine: events in, decisions out. No clock, no Ray, no randomness, no files.

How a driver uses it, in one thread:

    state_machine = StateMachine(space, read_journal(path))  # the whole journal, or nothing
    state_machine.begin(host=..., pid=..., environment=...)  # a new driver generation
    while True:
        decision = state_machine.next_segment(busy)  # busy: trials whose segment is not over
        journal.append(state_machine.take())         # BEFORE acting on any decision
        ...

- ``next_segment(busy)`` gives one of ``decisions.py``: ``Segment`` (run this trial from its own
  checkpoint; it may be a new one), ``WAIT`` (something in ``busy`` has to report first; never with
  an empty ``busy``) or ``Done`` (nothing is busy and nothing follows; its ``reason`` says whether
  all was decided).
- While a segment runs: ``report(...)`` for every epoch, also for those that its checkpoint
  already holds, in order from any epoch that is known or next. Answers: ``CONTINUE``; ``HOLD``:
  the verdict is not known yet (or the sweep drains), end the segment at this epoch's checkpoint,
  the trial comes again as a segment; ``STOP``: it is over for good.
- The segment's end: after HOLD or STOP there is nothing to tell. A trial that comes to its own end
  is told by ``ended(trial, status, epochs, why)``: ``completed`` (last epoch, or patience),
  ``diverged`` or ``failed`` (the trial itself raised). Infrastructure is told by
  ``lost(trial, why)``: the trial comes again, ``retries`` times in a driver generation without
  progress, then it stays unsettled and the sweep finishes what can be decided without it.
  In every case take the trial out of ``busy`` only when its worker has really let go.
- The user: ``stop(trial)``, ``stop(None)`` (drain until the next driver), ``give_up(trial, why)``,
  ``extend(trials)``. ``drain()`` is the same as ``stop(None)`` but not journaled: time limits.
- ``take()`` gives the events since the last call, in order. All that the machine answers rests on
  them, so they are on disk before anything is done. Repeated reports give no events.
- ``Contradiction`` (from ``report`` and ``ended``): the same epoch with other weights. Halt.
- For people: ``why_idle(busy)``, ``counts(busy)``, ``state_machine.state``.

What the user's interventions mean: a trial stopped by the user has the status ``stopped`` and the
epochs reported by then; it counts at the rungs that it reached and is passed over at later ones.
One that is given up has the status ``failed`` and settles in the same way. Draining changes no
outcome.
"""

import math
from collections.abc import Collection, Iterable, Mapping
from typing import Literal

from genretune.tune.errors import TuneError
from genretune.tune.reproducibility.seeds import derive
from genretune.tune.samplers.history import Observation
from genretune.tune.samplers.sampler import build_sampler
from genretune.tune.samplers.suggest import config_key, suggest
from genretune.tune.space.load import with_trials
from genretune.tune.space.space import Space
from genretune.tune.sweep import asha, progress
from genretune.tune.sweep.decisions import CONTINUE, HOLD, STOP, WAIT, Done, Reply, Segment
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
from genretune.tune.sweep.sampler_history import sampler_history
from genretune.tune.sweep.sampler_lag import blocking_trial, sampler_rungs
from genretune.tune.sweep.state import State, TrialState
from genretune.tune.sweep.sweep_rules import rules_from_space
from genretune.tune.sweep.trial_queue import TrialQueue


class StateMachine:
    """See the top of this file."""

    def __init__(self, space: Space, events: Iterable[Event] = (), *, retries: int = 3) -> None:
        self.space = space
        self.state = State(rules_from_space(space), space.trials)
        self._brackets = asha.empty_brackets(self.state.rules)
        self._sampler_rungs = sampler_rungs(self.state.rules)
        self._sampler = build_sampler(space)
        self._seen: set[str] | None = None if space.size() is None else set()
        self._new_events: list[Event] = []
        self._draining = False
        self.state.recall(events)
        if self._seen is not None:
            self._seen.update(config_key(trial.parameters) for trial in self.state.trials)
        self._queue = TrialQueue(self.state, retries)
        for bracket in self._brackets:
            self._decide(bracket)

    # What the driver tells

    def begin(self, *, host: str, pid: int, environment: Mapping[str, object]) -> None:
        """A new driver takes over: losses are counted anew, a drain is over."""
        self._record(Driver(self.state.generation + 1, host, pid, dict(environment)))
        self._draining = False
        self._queue.refill()

    def report(self, trial: int, epoch: int, value: float, weights_sha256: str) -> Reply:
        """An epoch of a running segment; ``value`` may be anything that is not finite.

        Raises:
            Contradiction: the epoch was reported before with another value or other weights.
            RunFailure: an epoch was left out.
        """
        known = self.state.trials[trial]
        rungs = self.state.rules.rungs(trial)
        waiting = known.undecided(rungs)
        if waiting is None or epoch <= waiting:
            finite = float(value) if math.isfinite(value) else None
            self._record(Report(trial, epoch, finite, weights_sha256))
            waiting = known.undecided(rungs)
        if known.final:
            return STOP
        if waiting is not None and epoch >= waiting:
            self._queue.hold(trial)
            return HOLD
        if self.draining and known.epochs <= epoch < self.state.rules.epochs:
            return HOLD
        return CONTINUE

    def ended(
        self,
        trial: int,
        status: Literal["completed", "diverged", "failed"],
        epochs: int,
        why: str,
    ) -> None:
        """A trial came to its own end.

        Raises:
            Contradiction: it ended before, in another way.
        """
        self._record(Ended(trial, status, epochs, why))

    def lost(self, trial: int, why: str) -> None:
        """Infrastructure took the worker; the trial comes again unless that is hopeless."""
        known = self.state.trials[trial]
        self._record(Lost(trial, why, self.state.generation, known.epochs))
        self._queue.put(trial)

    # What the user says

    def stop(self, trial: int | None) -> None:
        """Stop one trial where it is, or drain the sweep.

        Raises:
            TuneError: no such trial has been created, or it is over.
        """
        epochs = 0 if trial is None else self._open(trial, "stopped").epochs
        self._record(Stop(trial, epochs))

    def give_up(self, trial: int, why: str) -> None:
        """Declare a trial failed that infrastructure keeps losing.

        Raises:
            TuneError: no such trial has been created, or it is over.
        """
        self._record(GiveUp(trial, self._open(trial, "given up").epochs, why))

    def extend(self, trials: int) -> None:
        """Have so many trials in all.

        Raises:
            TuneError: fewer than now, or more than a grid has.
        """
        if trials < self.state.target:
            raise TuneError(
                f"trials: must not become fewer, got {trials} after {self.state.target} "
                "(a sweep can only be extended)"
            )
        with_trials(self.space, trials)
        if trials > self.state.target:
            self._record(Extended(trials))

    def drain(self) -> None:
        """Start no more segments and hold the running ones at their next epoch."""
        self._draining = True

    # What the driver asks

    @property
    def draining(self) -> bool:
        """Whether no segment starts."""
        return self._draining or self.state.draining

    def take(self) -> list[Event]:
        """The events since the last call, to be journaled before anything is acted upon."""
        events, self._new_events = self._new_events, []
        return events

    def next_segment(self, busy: Collection[int]) -> Segment | Literal["wait"] | Done:
        """What to run next: the lowest trial that can run, else a new one."""
        if not self.draining:
            found = self._resume(busy) or self._create()
            if found is None and not busy:
                self._queue.refill()
                found = self._resume(busy)
            if found is not None:
                return found
        return WAIT if busy else Done(self._reason())

    def counts(self, busy: Collection[int]) -> dict[str, int]:
        """How many trials are completed, stopped, diverged, failed, running, paused, pending."""
        return progress.counts(self.state, busy)

    def why_idle(self, busy: Collection[int]) -> str:
        """Why a worker has nothing to do, in words; empty when there is something."""
        if self.draining:
            return "the sweep is draining: no segment starts"
        trials = self.state.trials
        if any(self._queue.runnable(trial) and trial.index not in busy for trial in trials):
            return ""
        new = progress.why_no_new_trial(self.state, self._sampler_rungs)
        held = progress.why_held(self.state, self._brackets, busy)
        return "; ".join(part for part in (new, held) if part) if new else ""

    # Inside

    def _record(self, event: Event) -> None:
        """Apply what is new, and derive the verdicts that follow from it."""
        if not self.state.apply(event):
            return
        self._new_events.append(event)
        rules = self.state.rules
        match event:
            case Report(trial=trial, epoch=epoch) if epoch in rules.rungs(trial):
                self._decide(self._brackets[rules.bracket(trial)])
            case Ended(trial=trial) | GiveUp(trial=trial) | Stop(trial=int(trial)):
                self._decide(self._brackets[rules.bracket(trial)])
            case _:
                pass

    def _decide(self, bracket: asha.Bracket) -> None:
        """Journal the verdicts that have become known; a recorded one is authoritative."""

        def record(verdict: Verdict) -> None:
            if verdict.rung not in self.state.trials[verdict.trial].verdicts:
                self.state.apply(verdict)
                self._new_events.append(verdict)
                self._queue.verdict_known(verdict.trial)

        asha.decide(bracket, self.state, record)

    def _resume(self, busy: Collection[int]) -> Segment | None:
        trial = self._queue.take(busy)
        return None if trial is None else _segment(trial, new=False)

    def _create(self) -> Segment | None:
        """The next trial, if its configuration can be known by now."""
        index = len(self.state.trials)
        if (
            index >= self.state.total
            or blocking_trial(self._sampler_rungs, self.state, index) is not None
        ):
            return None
        parameters = suggest(self.space, self._sampler, index, self._history(index), self._seen)
        if parameters is None:
            self._record(Exhausted(index))
            return None
        if self._seen is not None:
            self._seen.add(config_key(parameters))
        self._record(Created(index, parameters, trial_seed(self.space, index)))
        return _segment(self.state.trials[index], new=True)

    def _history(self, index: int) -> list[Observation]:
        if not self.space.sampler.needs_history:
            return []
        return sampler_history(self._sampler_rungs, self.state, index, self.space.sampler.n_startup)

    def _reason(self) -> Literal["finished", "undecided", "drained"]:
        created = len(self.state.trials) >= self.state.total
        if created and all(trial.final for trial in self.state.trials):
            return "finished"
        return "drained" if self.draining else "undecided"

    def _open(self, trial: int, verb: str) -> TrialState:
        if not 0 <= trial < len(self.state.trials):
            raise TuneError(
                f"trial {trial}: must have been created to be {verb}, got {trial} of "
                f"{len(self.state.trials)} so far"
            )
        known = self.state.trials[trial]
        if known.final:
            raise TuneError(f"trial {trial}: must be open to be {verb}, got {known.status}")
        return known


def trial_seed(space: Space, trial: int) -> int:
    """The training seed of a trial."""
    shared = space.seeds == "shared"
    return derive(space.seed, "trial", *(() if shared else (trial,)))


def _segment(trial: TrialState, *, new: bool) -> Segment:
    return Segment(trial.index, trial.parameters, trial.seed, trial.epochs, new)
