"""Simulation of a sweep: the real state machine with simulated trials, workers and clock.

Used by ``plan``, the tests and the benchmark. With one worker it is a sequential search.
"""

import heapq
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from genretune.tune.sweep.decisions import CONTINUE, WAIT, Done, Segment
from genretune.tune.sweep.events import Event
from genretune.tune.sweep.state_machine import StateMachine

End = Literal["completed", "diverged", "failed", "lost"]


class TrialBehaviour(Protocol):
    """How simulated trials behave; every method is a function of its arguments."""

    def value(self, trial: int, parameters: Mapping[str, object], epoch: int) -> float:
        """Return the metric after an epoch."""

    def seconds(self, trial: int, parameters: Mapping[str, object], epoch: int) -> float:
        """Return the duration of an epoch."""

    def end(self, trial: int, parameters: Mapping[str, object], epoch: int) -> End | None:
        """Return how the trial ends by itself after ``epoch`` epochs; None if it does not."""

    def loss(self, trial: int, epoch: int, attempt: int) -> bool:
        """Return whether the worker is lost in this epoch of the trial's ``attempt``-th segment."""


@dataclass
class SimulationResult:
    """The outcome of a simulation.

    Attributes:
        seconds: when the last worker finished.
        busy_seconds: seconds that workers spent on epochs, over all workers.
        epochs: epochs trained, including repeated ones.
        reason: that of the state machine's ``Done``.
        best: (seconds, epochs so far, value) at each improvement.
    """

    seconds: float = 0.0
    busy_seconds: float = 0.0
    epochs: int = 0
    reason: str = ""
    best: list[tuple[float, int, float]] = field(default_factory=list)

    def utilisation(self, workers: int) -> float:
        """Return the share of the workers' time spent on epochs."""
        return self.busy_seconds / (self.seconds * workers) if self.seconds else 1.0


@dataclass
class _RunningEpoch:
    """An epoch that a worker is training, and whether the worker will be lost in it."""

    segment: Segment
    epoch: int
    lost: bool


Journal = Callable[[list[Event]], None]


def simulate(
    state_machine: StateMachine,
    behaviour: TrialBehaviour,
    workers: int,
    *,
    overhead: float = 0.0,
    journal: Journal = lambda events: None,
) -> SimulationResult:
    """Run a sweep to its end.

    Args:
        overhead: seconds it takes to start a segment.
        journal: called with new events before they are acted upon, as a driver's journal is.
    """
    simulation = _Simulation(state_machine, behaviour, overhead, journal)
    while True:
        while len(simulation.busy) < workers:
            decision = state_machine.next_segment(simulation.busy)
            journal(state_machine.take_events())
            if isinstance(decision, Done):
                simulation.result.reason = decision.reason
                return simulation.result
            if decision == WAIT:
                break
            simulation.start(decision)
        simulation.finish_next_epoch()


class _Simulation:
    """Simulated workers and their clock, which is ``result.seconds``."""

    def __init__(
        self,
        state_machine: StateMachine,
        behaviour: TrialBehaviour,
        overhead: float,
        journal: Journal,
    ) -> None:
        self.state_machine, self.behaviour = state_machine, behaviour
        self.overhead, self.journal = overhead, journal
        self.busy: set[int] = set()
        self.result = SimulationResult()
        self.attempts: dict[int, int] = {}
        # (end of the epoch, number of the epoch): the number breaks ties in order of starting
        self.queue: list[tuple[float, int, _RunningEpoch]] = []
        self.epochs_started = 0

    def start(self, segment: Segment) -> None:
        """Report the epochs that the trial's checkpoint holds, then train."""
        index = segment.trial
        self.busy.add(index)
        self.attempts[index] = self.attempts.get(index, 0) + 1
        reports = self.state_machine.state.trials[index].reports
        for epoch, (recorded, digest) in enumerate(reports, start=1):
            value = float("nan") if recorded is None else recorded
            self.state_machine.report(index, epoch, value, digest)
        self.train(segment, segment.epochs + 1, self.overhead)

    def train(self, segment: Segment, epoch: int, delay: float) -> None:
        """Start an epoch after ``delay`` seconds, unless the trial ends by itself before it."""
        index, parameters = segment.trial, segment.parameters
        end: End | None = self.behaviour.end(index, parameters, epoch - 1)
        if end is None and epoch > self.state_machine.state.rules.epochs:
            end = "completed"
        if end == "lost":
            self.lose(index)
            return
        if end is not None:
            self.state_machine.ended(index, end, epoch - 1, f"{end} after epoch {epoch - 1}")
            self.busy.discard(index)
            self.journal(self.state_machine.take_events())
            return
        seconds = self.behaviour.seconds(index, parameters, epoch)
        self.result.busy_seconds += seconds
        self.result.epochs += 1
        lost = self.behaviour.loss(index, epoch, self.attempts[index])
        self.epochs_started += 1
        end_time = self.result.seconds + delay + seconds
        running = _RunningEpoch(segment, epoch, lost)
        heapq.heappush(self.queue, (end_time, self.epochs_started, running))

    def finish_next_epoch(self) -> None:
        """Advance the clock to the next end of an epoch on any worker, and report it."""
        self.result.seconds, _, running = heapq.heappop(self.queue)
        segment, epoch = running.segment, running.epoch
        if running.lost:
            self.lose(segment.trial)
            return
        value = self.behaviour.value(segment.trial, segment.parameters, epoch)
        digest = f"{segment.trial:x}.{epoch:x}"
        reply = self.state_machine.report(segment.trial, epoch, value, digest)
        self.journal(self.state_machine.take_events())
        self._record_improvement(value)
        if reply == CONTINUE:
            self.train(segment, epoch + 1, 0.0)
        else:
            self.busy.discard(segment.trial)

    def lose(self, index: int) -> None:
        """Lose the worker of a trial."""
        self.state_machine.lost(index, "simulated")
        self.journal(self.state_machine.take_events())
        self.busy.discard(index)

    def _record_improvement(self, value: float) -> None:
        rules, best = self.state_machine.state.rules, self.result.best
        if math.isnan(value):
            return
        if rules.better(value, best[-1][2] if best else None):
            best.append((self.result.seconds, self.result.epochs, value))
