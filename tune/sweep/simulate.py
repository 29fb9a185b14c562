"""A sweep on a simulated clock: the real state machine, pretended trials and workers.

Used by ``plan``, by the tests and by the benchmark. With one worker it is the sequential loop.
"""

import heapq
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from genretune.tune.sweep.decisions import CONTINUE, WAIT, Done, Segment
from genretune.tune.sweep.events import Event
from genretune.tune.sweep.state_machine import StateMachine

End = Literal["completed", "diverged", "failed", "lost"]


class TrialBehaviour(Protocol):
    """What trials would do; every answer is a function of its arguments."""

    def value(self, trial: int, parameters: Mapping[str, object], epoch: int) -> float:
        """The metric after an epoch."""

    def seconds(self, trial: int, parameters: Mapping[str, object], epoch: int) -> float:
        """How long the epoch takes."""

    def end(self, trial: int, parameters: Mapping[str, object], epoch: int) -> End | None:
        """How the trial ends by itself after this many whole epochs, if it does."""

    def loss(self, trial: int, epoch: int, attempt: int) -> bool:
        """Whether the worker is lost in this epoch at this attempt."""


@dataclass
class Simulated:
    """
    Attributes:
        seconds: when the last worker finished.
        busy_seconds: worker seconds spent on epochs.
        epochs: epochs that were trained, repeated ones included.
        reason: of the machine's ``Done``.
        best: (seconds, epochs so far, value) at each improvement.
    """

    seconds: float = 0.0
    busy_seconds: float = 0.0
    epochs: int = 0
    reason: str = ""
    best: list[tuple[float, int, float]] = field(default_factory=list)

    def utilisation(self, workers: int) -> float:
        """Share of the workers' time that went into epochs."""
        return self.busy_seconds / (self.seconds * workers) if self.seconds else 1.0


@dataclass
class _Running:
    """A segment on a worker: ``epoch`` is the one that is being trained."""

    segment: Segment
    epoch: int
    lost: bool


Journal = Callable[[list[Event]], None]


def simulate(
    state_machine: StateMachine,
    world: TrialBehaviour,
    workers: int,
    *,
    overhead: float = 0.0,
    journal: Journal = lambda events: None,
) -> Simulated:
    """Run the sweep to its end.

    Args:
        overhead: seconds that starting a segment takes.
        journal: gets the events before they are acted upon, as a driver's journal would.
    """
    run = _Simulation(state_machine, world, overhead, journal)
    while True:
        while len(run.busy) < workers:
            answer = state_machine.next_segment(run.busy)
            journal(state_machine.take())
            if isinstance(answer, Done):
                run.result.reason = answer.reason
                return run.result
            if answer == WAIT:
                break
            run.start(answer)
        run.step()


class _Simulation:
    def __init__(
        self, state_machine: StateMachine, world: TrialBehaviour, overhead: float, journal: Journal
    ) -> None:
        self.state_machine, self.world = state_machine, world
        self.overhead, self.journal = overhead, journal
        self.busy: set[int] = set()
        self.result = Simulated()
        self.attempts: dict[int, int] = {}
        self.queue: list[tuple[float, int, _Running]] = []
        self.starts = 0

    def start(self, segment: Segment) -> None:
        """The worker announces what its checkpoint holds, then trains or ends."""
        index = segment.trial
        self.busy.add(index)
        self.attempts[index] = self.attempts.get(index, 0) + 1
        for epoch, told in enumerate(self.state_machine.state.trials[index].reports, start=1):
            value = float("nan") if told[0] is None else told[0]
            self.state_machine.report(index, epoch, value, told[1])
        self.train(segment, segment.epochs + 1, self.overhead)

    def train(self, segment: Segment, epoch: int, wait: float) -> None:
        """Begin an epoch, or come to the trial's own end."""
        index, parameters = segment.trial, segment.parameters
        end: End | None = self.world.end(index, parameters, epoch - 1)
        if end is None and epoch > self.state_machine.state.rules.epochs:
            end = "completed"
        if end == "lost":
            self.lose(index)
            return
        if end is not None:
            self.state_machine.ended(index, end, epoch - 1, f"{end} after epoch {epoch - 1}")
            self.busy.discard(index)
            self.journal(self.state_machine.take())
            return
        seconds = self.world.seconds(index, parameters, epoch)
        self.result.busy_seconds += seconds
        self.result.epochs += 1
        lost = self.world.loss(index, epoch, self.attempts[index])
        self.starts += 1
        at = self.result.seconds + wait + seconds
        heapq.heappush(self.queue, (at, self.starts, _Running(segment, epoch, lost)))

    def step(self) -> None:
        """The next epoch that is finished anywhere."""
        at, _, running = heapq.heappop(self.queue)
        self.result.seconds = at
        segment, epoch = running.segment, running.epoch
        if running.lost:
            self.lose(segment.trial)
            return
        value = self.world.value(segment.trial, segment.parameters, epoch)
        digest = f"{segment.trial:x}.{epoch:x}"
        reply = self.state_machine.report(segment.trial, epoch, value, digest)
        self.journal(self.state_machine.take())
        self._note(value)
        if reply == CONTINUE:
            self.train(segment, epoch + 1, 0.0)
        else:
            self.busy.discard(segment.trial)

    def lose(self, index: int) -> None:
        self.state_machine.lost(index, "simulated")
        self.journal(self.state_machine.take())
        self.busy.discard(index)

    def _note(self, value: float) -> None:
        rules, best = self.state_machine.state.rules, self.result.best
        if value == value and rules.better(value, best[-1][2] if best else None):
            best.append((self.result.seconds, self.result.epochs, value))
