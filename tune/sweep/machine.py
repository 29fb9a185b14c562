"""The sweep's state machine: events in, decisions out. No clock, no Ray, no randomness, no files.

How a driver uses it, in one thread:

    machine = Machine(space, read_journal(path))        # the whole journal, or nothing
    machine.begin(host=..., pid=..., environment=...)   # a new driver generation
    while True:
        answer = machine.next_segment(busy)             # busy: trials whose segment is not over
        journal.append(machine.take())                  # BEFORE acting on any answer
        ...

- ``next_segment(busy)`` answers ``Segment`` (run this trial from its own checkpoint; it may be a
  new one), ``WAIT`` (something in ``busy`` has to report first; never with an empty ``busy``) or
  ``Done`` (nothing is busy, nothing will follow; its ``reason`` says whether all was decided).
- While a segment runs: ``report(...)`` for every epoch, also for those that its checkpoint already
  holds, in order from any epoch that is known or next. Answers: ``CONTINUE``; ``HOLD``: the verdict
  is not known yet (or the sweep drains), end the segment at this epoch's checkpoint, the trial comes
  again as a segment; ``STOP``: it is over for good.
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
- For people: ``why_idle(busy)``, ``counts(busy)``, ``machine.state``.

What the user's interventions mean: a trial stopped by the user has the status ``stopped`` and the
epochs reported by then; it counts at the rungs that it reached and is passed over at later ones.
One that is given up has the status ``failed`` and settles in the same way. Draining changes no
outcome.
"""

import heapq
import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from genretune.tune.errors import TuneError
from genretune.tune.samplers.suggest import fingerprint, sampler, suggest
from genretune.tune.seeds import derive
from genretune.tune.space.load import with_trials
from genretune.tune.space.settings import TpeSampler
from genretune.tune.space.space import Space
from genretune.tune.sweep import asha, lag
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
)
from genretune.tune.sweep.rules import rules_of
from genretune.tune.sweep.state import State, Trial

Reply = Literal["continue", "hold", "stop"]
CONTINUE: Reply = "continue"
HOLD: Reply = "hold"
STOP: Reply = "stop"
WAIT: Literal["wait"] = "wait"


@dataclass(frozen=True, slots=True)
class Segment:
    """Train this trial from its own checkpoint until a reply other than CONTINUE, or its end."""

    trial: int
    parameters: Mapping[str, object]
    seed: int
    epochs: int
    """Reported so far."""
    new: bool
    """Created just now."""


@dataclass(frozen=True, slots=True)
class Done:
    """Nothing is left to start.

    ``finished``: every trial is final. ``undecided``: some trials were lost too often, and what
    depends on them could not be decided. ``drained``: asked to stop.
    """

    reason: Literal["finished", "undecided", "drained"]


class Machine:
    """See the top of this file."""

    def __init__(self, space: Space, events: Iterable[Event] = (), *, retries: int = 3) -> None:
        self.space = space
        self.state = State(rules_of(space), space.trials)
        self._retries = retries
        self._ladders = asha.ladders(self.state.rules)
        self._view = lag.levels(self.state.rules)
        self._sample = sampler(space)
        self._seen: set[str] | None = None if space.size() is None else set()
        self._news: list[Event] = []
        self._draining = False
        for event in events:
            self.state.apply(event)
        if self._seen is not None:
            self._seen.update(fingerprint(trial.parameters) for trial in self.state.trials)
        for ladder in self._ladders:
            self._settle(ladder)
        self._held: set[int] = set()
        self._ready: list[int] = []
        self._queue_all()

    # What the driver tells

    def begin(self, *, host: str, pid: int, environment: Mapping[str, object]) -> None:
        """A new driver takes over: losses are counted anew, a drain is over."""
        self._record(Driver(self.state.generation + 1, host, pid, dict(environment)))
        self._draining = False
        self._queue_all()

    def report(self, trial: int, epoch: int, value: float, weights_sha256: str) -> Reply:
        """An epoch of a running segment.

        Raises:
            Contradiction: the epoch was reported before with another value or other weights.
            RunFailure: an epoch was left out.
        """
        known = self.state.trials[trial]
        waiting = known.undecided(self.state.rules.rungs(trial))
        if waiting is None or epoch <= waiting:
            finite = float(value) if math.isfinite(value) else None
            self._record(Report(trial, epoch, finite, weights_sha256))
            waiting = known.undecided(self.state.rules.rungs(trial))
        if known.final and known.ended is None:
            return STOP
        if waiting is not None and epoch >= waiting:
            self._held.add(trial)
            return HOLD
        drained = self._draining or self.state.draining
        if drained and known.epochs <= epoch < self.state.rules.epochs:
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
        heapq.heappush(self._ready, trial)

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

    def take(self) -> list[Event]:
        """The events since the last call, to be journaled before anything is acted upon."""
        news, self._news = self._news, []
        return news

    def next_segment(self, busy: Collection[int]) -> Segment | Literal["wait"] | Done:
        """What to run next: the lowest trial that can run, else a new one."""
        if not (self._draining or self.state.draining):
            found = self._resumable(busy) or self._create()
            if found is None and not busy:
                self._queue_all()
                found = self._resumable(busy)
            if found is not None:
                return found
        if busy:
            return WAIT
        return Done(self._reason())

    def counts(self, busy: Collection[int]) -> dict[str, int]:
        """How many trials are completed, stopped, diverged, failed, running, paused, pending."""
        found = Counter(
            trial.status or ("running" if trial.index in busy else "paused")
            for trial in self.state.trials
        )
        found["pending"] = self.state.total - len(self.state.trials)
        names = ("completed", "stopped", "diverged", "failed", "running", "paused", "pending")
        return {name: found[name] for name in names}

    def why_idle(self, busy: Collection[int]) -> str:
        """Why a worker has nothing to do, in one sentence; empty when there is something."""
        if self._draining or self.state.draining:
            return "the sweep is draining: no segment starts"
        if any(self._runnable(trial) and trial.index not in busy for trial in self.state.trials):
            return ""
        new = len(self.state.trials)
        if new >= self.state.total:
            waiting = self._waiting(busy)
            return waiting or "every trial has been started"
        block = lag.blocker(self._view, self.state, new)
        if block is None:
            return ""
        other, epoch = block
        return (
            f"trial {new} is chosen once trial {other} is settled at epoch {epoch} (a larger lag "
            "waits less)"
        )

    # Inside

    def _record(self, event: Event) -> None:
        if not self.state.apply(event):
            return
        self._news.append(event)
        trial = getattr(event, "trial", None)
        if self._ladders and trial is not None and not isinstance(event, Created | Lost):
            rules = self.state.rules
            if not isinstance(event, Report) or event.epoch in rules.rungs(trial):
                self._settle(self._ladders[rules.bracket(trial)])

    def _settle(self, ladder: asha.Ladder) -> None:
        """Journal the verdicts that have become known; recorded ones stand as they are."""
        for verdict in asha.settle(ladder, self.state):
            trial = self.state.trials[verdict.trial]
            if verdict.rung in trial.verdicts:
                continue
            self.state.apply(verdict)
            self._news.append(verdict)
            if verdict.trial in self._held:
                self._held.discard(verdict.trial)
                heapq.heappush(self._ready, verdict.trial)

    def _resumable(self, busy: Collection[int]) -> Segment | None:
        """The lowest trial that was held or lost and can go on."""
        aside: list[int] = []
        found: Segment | None = None
        while self._ready and found is None:
            index = heapq.heappop(self._ready)
            trial = self.state.trials[index]
            if not self._runnable(trial):
                continue
            if index in busy:
                aside.append(index)
            else:
                found = _segment(trial, new=False)
        for index in aside:
            heapq.heappush(self._ready, index)
        return found

    def _create(self) -> Segment | None:
        """The next trial, if its configuration can be known by now."""
        index = len(self.state.trials)
        if index >= self.state.total or lag.blocker(self._view, self.state, index) is not None:
            return None
        told = self._history(index)
        parameters = suggest(self.space, self._sample, index, told, self._seen)
        if parameters is None:
            self._record(Exhausted(index))
            return None
        if self._seen is not None:
            self._seen.add(fingerprint(parameters))
        shared = self.space.seeds == "shared"
        seed = derive(self.space.seed, "trial", *(() if shared else (index,)))
        self._record(Created(index, parameters, seed))
        return _segment(self.state.trials[index], new=True)

    def _history(self, index: int) -> list[lag.Told]:
        if not isinstance(self.space.sampler, TpeSampler):
            return []
        return lag.history(self._view, self.state, index, self.space.sampler.n_startup)

    def _runnable(self, trial: Trial) -> bool:
        if trial.final or trial.undecided(self.state.rules.rungs(trial.index)) is not None:
            return False
        here = (self.state.generation, trial.epochs)
        return trial.losses.count(here) <= self._retries

    def _queue_all(self) -> None:
        """Sort every open trial into those that can run and those that are held."""
        rungs = self.state.rules.rungs
        open_trials = [trial for trial in self.state.trials if not trial.final]
        self._held = {
            trial.index for trial in open_trials if trial.undecided(rungs(trial.index)) is not None
        }
        self._ready = [trial.index for trial in open_trials if trial.index not in self._held]

    def _reason(self) -> Literal["finished", "undecided", "drained"]:
        created = len(self.state.trials) >= self.state.total
        if created and all(trial.final for trial in self.state.trials):
            return "finished"
        return "drained" if self._draining or self.state.draining else "undecided"

    def _open(self, trial: int, verb: str) -> Trial:
        if not 0 <= trial < len(self.state.trials):
            raise TuneError(
                f"trial {trial}: must have been created to be {verb}, got {trial} of "
                f"{len(self.state.trials)} so far"
            )
        known = self.state.trials[trial]
        if known.final:
            raise TuneError(f"trial {trial}: must be open to be {verb}, got {known.status}")
        return known

    def _waiting(self, busy: Collection[int]) -> str:
        """Which verdict the lowest held trial waits for, in words."""
        for trial in self.state.trials:
            rung = None if trial.final else trial.undecided(self.state.rules.rungs(trial.index))
            if rung is None:
                continue
            ladder = self._ladders[self.state.rules.bracket(trial.index)]
            other = asha.waits_for(ladder, rung, self.state)
            if other is not None and other != trial.index:
                doing = "is running" if other in busy else "is not running"
                return f"trial {trial.index} is held at epoch {rung} until trial {other} is settled there ({doing})"
        return ""


def _segment(trial: Trial, *, new: bool) -> Segment:
    return Segment(trial.index, trial.parameters, trial.seed, trial.epochs, new)
