"""The state machine of a sweep: events in, decisions out. No clock, Ray, randomness or files.

How a driver uses it, from one thread:

    state_machine = StateMachine(space, read_journal(path))  # all events so far; none at first
    state_machine.begin(host=..., pid=..., environment=...)  # starts a driver generation
    while True:
        decision = state_machine.next_segment(busy)  # busy: trials whose segment has not ended
        journal.append(state_machine.take_events())  # BEFORE acting on any decision
        ...

- ``next_segment(busy)`` returns a decision (see ``decisions``): ``Segment``: run this trial, which
  may be a new one, from its own checkpoint; ``WAIT``: a trial in ``busy`` has to report first, so
  never with an empty ``busy``; ``Done``: nothing is busy and no segment is left to start, its
  ``reason`` says why.
- While a segment runs, call ``report(...)`` for every epoch, including those that its checkpoint
  already holds: in order, starting at any epoch that was reported before or at the next one. The
  reply is ``CONTINUE``; ``HOLD``: the verdict is not known yet (or the sweep drains), so end the
  segment at this epoch's checkpoint, and the trial will be resumed by a later segment; or
  ``STOP``: the trial is final.
- At the end of a segment: after HOLD or STOP, call nothing. If the trial ended by itself, call
  ``ended(trial, status, epochs, why)`` with ``completed`` (last epoch, or patience), ``diverged``
  or ``failed`` (the training raised an error). After an infrastructure failure, call
  ``lost(trial, why)``: the trial is queued again, up to ``retries`` times per driver generation
  without progress; then it stays open, and the sweep finishes what can be decided without it.
  After a refusal by the node call ``refused(trial)``, which costs no retry. In every case, remove
  the trial from ``busy`` only when its worker has really released it.
- For the user: ``stop(trial)``, ``stop(None)`` (drain until the next driver),
  ``give_up(trial, why)``, ``extend(trials)``. ``drain()`` is ``stop(None)`` without an entry in
  the journal: for time limits.
- ``take_events()`` returns the events since the last call, in order. Every decision and reply is
  based on them, so they must be on disk before it is acted upon: otherwise a restarted driver
  could decide differently. Repeated reports cause no events.
- ``Contradiction`` (raised by ``report`` and ``ended``): an epoch was reported before with other
  weights. The sweep must halt.
- For display: ``why_idle(busy)``, ``counts(busy, waiting)``, ``state_machine.state``.

Effects of the user's interventions: a trial stopped by the user has the status ``stopped`` and the
epochs reported by then; it counts at the rungs it reached and is skipped at later ones. A trial
given up has the status ``failed`` and settles in the same way. Draining changes no outcome.
"""

import math
from collections.abc import Collection, Iterable, Mapping
from typing import Literal

from genretune.tune.errors import TuneError
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
    OwnEnd,
    Report,
    Stop,
    Verdict,
)
from genretune.tune.sweep.state import State, TrialState
from genretune.tune.sweep.sweep_rules import rules_from_space
from genretune.tune.sweep.trial_queue import TrialQueue
from genretune.tune.sweep.trial_sampling import TrialSampling, trial_seed


class StateMachine:
    """The decisions of one sweep; the docstring of this module is its contract."""

    def __init__(self, space: Space, events: Iterable[Event] = (), *, retries: int = 3) -> None:
        """Restore the state after ``events``.

        Args:
            events: the whole journal.
            retries: losses without progress that a trial may have per driver generation.

        Raises:
            DamagedRecord: the events contradict one another.
        """
        self.space = space
        self.state = State(rules_from_space(space), space.trials)
        self._brackets = asha.empty_brackets(self.state.rules)
        self._sampling = TrialSampling(space, self.state)
        self._new_events: list[Event] = []
        self._draining = False
        self.state.apply_all(events)
        for trial in self.state.trials:
            self._sampling.add_tried(trial.parameters)
        self._queue = TrialQueue(self.state, retries)
        # Count the recorded values at the rungs. A driver that was killed may have journaled a
        # report without the verdict that follows from it, which is then recorded now.
        for bracket in self._brackets:
            self._decide(bracket)

    # Called by the driver: what happened

    def begin(self, *, host: str, pid: int, environment: Mapping[str, object]) -> None:
        """Start a driver generation: losses are counted from zero, and a drain ends."""
        self._apply(Driver(self.state.generation + 1, host, pid, dict(environment)))
        self._draining = False
        self._queue.refill()

    def report(self, trial: int, epoch: int, value: float, weights_sha256: str) -> Reply:
        """Report an epoch of a running segment; ``value`` need not be finite.

        Raises:
            Contradiction: the epoch was reported before with another value or other weights.
            RunFailure: an epoch was skipped.
        """
        trial_state = self.state.trials[trial]
        rungs = self.state.rules.rungs(trial)
        held_at = trial_state.undecided(rungs)
        # A checkpoint may be ahead of the journal. Epochs beyond an undecided rung are not
        # recorded: they never count if the trial is stopped, and a promoted one reports them again.
        if held_at is None or epoch <= held_at:
            finite = float(value) if math.isfinite(value) else None
            self._apply(Report(trial, epoch, finite, weights_sha256))
            held_at = trial_state.undecided(rungs)
        if trial_state.final:
            return STOP
        if held_at is not None and epoch >= held_at:
            self._queue.hold(trial)
            return HOLD
        # Not at the last epoch: the trial then ends by itself and needs no further segment.
        if self.draining and trial_state.epochs <= epoch < self.state.rules.epochs:
            return HOLD
        return CONTINUE

    def ended(self, trial: int, status: OwnEnd, epochs: int, why: str) -> None:
        """Report that a trial ended by itself.

        Raises:
            Contradiction: it ended before with another status.
        """
        self._apply(Ended(trial, status, epochs, why))

    def lost(self, trial: int, why: str, *, node_left: bool = False) -> None:
        """Report that a trial's worker was lost, perhaps with its node; requeue the trial."""
        epochs = self.state.trials[trial].epochs
        self._apply(Lost(trial, why, self.state.generation, epochs, node_left))
        self._queue.put(trial)

    def refused(self, trial: int) -> None:
        """Report that a node refused a segment before it did anything; requeue the trial."""
        self._queue.put(trial)

    # Called on behalf of the user

    def stop(self, trial: int | None) -> None:
        """Stop a trial after the epochs reported so far; drain the sweep without a trial.

        Raises:
            TuneError: the trial has not been created, or is final.
        """
        epochs = 0 if trial is None else self._require_open(trial, "stopped").epochs
        self._apply(Stop(trial, epochs))

    def give_up(self, trial: int, why: str) -> None:
        """Declare a trial failed, for example one whose worker is lost every time.

        Raises:
            TuneError: the trial has not been created, or is final.
        """
        self._apply(GiveUp(trial, self._require_open(trial, "given up").epochs, why))

    def extend(self, trials: int) -> None:
        """Extend the sweep to ``trials`` trials in total.

        Raises:
            TuneError: fewer than now, or more than a grid has.
        """
        if trials < self.state.target:
            raise TuneError(
                f"trials: must not become fewer, got {trials} after {self.state.target} "
                "(a sweep can only be extended)"
            )
        self.space = with_trials(self.space, trials)
        if trials > self.state.target:
            self._apply(Extended(trials))

    def drain(self) -> None:
        """Start no more segments, and hold the running ones at their next epoch."""
        self._draining = True

    # Called by the driver: what to do

    @property
    def draining(self) -> bool:
        """Whether the sweep drains: no segment starts."""
        return self._draining or self.state.draining

    def take_events(self) -> list[Event]:
        """Return the events since the last call; journal them before acting on any decision."""
        events, self._new_events = self._new_events, []
        return events

    def next_segment(self, busy: Collection[int]) -> Segment | Literal["wait"] | Done:
        """Return the next segment: of the lowest trial that can run, else of a new trial.

        Args:
            busy: trials whose segment has not ended.
        """
        if not self.draining:
            segment = self._resume_trial(busy) or self._create_trial()
            if segment is None and not busy:
                # A safety net: a segment that ended without any call to this class has left its
                # trial open but not queued, and the sweep must not end without it.
                self._queue.refill()
                segment = self._resume_trial(busy)
            if segment is not None:
                return segment
        return WAIT if busy else Done(self._done_reason())

    def counts(self, busy: Collection[int], waiting: Collection[int] = ()) -> dict[str, int]:
        """Return the number of trials by status, from completed to pending."""
        return progress.counts(self.state, busy, waiting)

    def why_idle(self, busy: Collection[int]) -> str:
        """Return why a worker is idle, in words; empty if a segment can start."""
        if self.draining:
            return "the sweep is draining: no segment starts"
        trials = self.state.trials
        if any(self._queue.runnable(trial) and trial.index not in busy for trial in trials):
            return ""
        new = progress.why_no_new_trial(self.state, self._sampling.rungs)
        held = progress.why_held(self.state, self._brackets, busy)
        return "; ".join(part for part in (new, held) if part) if new else ""

    # Internal

    def _apply(self, event: Event) -> None:
        """Apply an event; if it is new, list it for the journal, followed by its verdicts."""
        if not self.state.apply(event):
            return
        self._new_events.append(event)
        rules = self.state.rules
        match event:
            case Report(trial=trial, epoch=epoch) if epoch in rules.rungs(trial):
                self._decide(self._brackets[rules.bracket(trial)])
            case Ended(trial=trial) | GiveUp(trial=trial) | Stop(trial=int(trial)):
                self._decide(self._brackets[rules.bracket(trial)])

    def _decide(self, bracket: asha.Bracket) -> None:
        """Record the verdicts that can be derived now."""

        def record(verdict: Verdict) -> None:
            # A recorded verdict is authoritative, even if this version would decide differently:
            # the trial has been stopped or trained on by it.
            if verdict.rung not in self.state.trials[verdict.trial].verdicts:
                self.state.apply(verdict)
                self._new_events.append(verdict)
                self._queue.verdict_known(verdict.trial)

        asha.decide(bracket, self.state, record)

    def _resume_trial(self, busy: Collection[int]) -> Segment | None:
        """Return the next segment of an open trial; None if none can run."""
        trial = self._queue.take(busy)
        return None if trial is None else _segment(trial, new=False)

    def _create_trial(self) -> Segment | None:
        """Return the first segment of a new trial; None if none can be sampled now."""
        index = len(self.state.trials)
        if index >= self.state.total or self._sampling.blocking_trial(index) is not None:
            return None
        parameters = self._sampling.sample(index)
        if parameters is None:
            self._apply(Exhausted(index))
            return None
        self._sampling.add_tried(parameters)
        self._apply(Created(index, parameters, trial_seed(self.space, index)))
        return _segment(self.state.trials[index], new=True)

    def _done_reason(self) -> Literal["finished", "undecided", "drained"]:
        all_created = len(self.state.trials) >= self.state.total
        if all_created and all(trial.final for trial in self.state.trials):
            return "finished"
        return "drained" if self.draining else "undecided"

    def _require_open(self, trial: int, verb: str) -> TrialState:
        """Return the state of a trial that is to be ``verb``; raise TuneError unless it is open."""
        if not 0 <= trial < len(self.state.trials):
            raise TuneError(
                f"trial {trial}: must have been created to be {verb}, got {trial} of "
                f"{len(self.state.trials)} so far"
            )
        state = self.state.trials[trial]
        if state.final:
            raise TuneError(f"trial {trial}: must be open to be {verb}, got {state.status}")
        return state


def _segment(trial: TrialState, *, new: bool) -> Segment:
    return Segment(trial.index, trial.parameters, trial.seed, trial.epochs, new)
