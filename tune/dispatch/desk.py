"""The driver's desk: between Ray's callbacks and the state machine; everything goes through here.

Ray calls a searcher, a scheduler and a callback of ours; all three are thin and talk to one Desk.
Events reach the journal before anything is acted upon. An error of ours is kept and raised in the
driver's loop, since Ray would take it for the trial's.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal

from genretune.models.errors import ModelError
from genretune.tune.errors import RunFailure, TuneError
from genretune.tune.prepare import Sweep
from genretune.tune.rundir import RunFolder
from genretune.tune.sweep.answers import STOP, WAIT, Done, Reply, Segment
from genretune.tune.sweep.journal import Journal
from genretune.tune.sweep.leaderboard import row
from genretune.tune.sweep.machine import Machine

Trial = int


class Desk:
    """State of a running driver.

    Attributes:
        busy: trials whose segment is not over, with Ray's id of the segment.
        done: what the machine said at the end; None before.
        failure: an error that must end the driver.
    """

    def __init__(
        self,
        run: RunFolder,
        sweep: Sweep,
        machine: Machine,
        journal: Journal,
        *,
        generation: int,
        concurrency: int,
    ) -> None:
        self.run = run
        self.sweep = sweep
        self.machine = machine
        self.concurrency = concurrency
        self.generation = generation
        self.busy: dict[Trial, str] = {}
        self.done: Done | None = None
        self.failure: BaseException | None = None
        self.epochs = 0
        """Epochs reported for the first time under this driver."""
        self._journal = journal

    def next_order(self, ray_id: str) -> Segment | Literal["wait"] | Done:
        """What the worker that Ray calls ``ray_id`` is to do."""
        while True:
            if len(self.busy) >= self.concurrency:
                return WAIT
            answer = self.machine.next_segment(self.busy)
            self.flush()
            if isinstance(answer, Done):
                self.done = answer
            if not isinstance(answer, Segment):
                return answer
            if self._written(answer):
                self.busy[answer.trial] = ray_id
                return answer

    def reported(self, trial: Trial, result: Mapping[str, Any]) -> Reply:
        """An epoch, or the end, of a running segment."""
        if "ended" in result:
            self._ended(trial, result)
            return STOP
        before = self.machine.state.trials[trial].epochs
        reply = self.machine.report(
            trial, int(result["epoch"]), float(result["value"]), str(result["weights_sha256"])
        )
        self.epochs += self.machine.state.trials[trial].epochs - before
        self.flush()
        return reply

    def over(self, trial: Trial, ray_id: str) -> None:
        """The worker has let the trial go."""
        if self.busy.get(trial) == ray_id:
            del self.busy[trial]

    def lost(self, trial: Trial, ray_id: str, why: str) -> None:
        """The worker was lost in the middle of a segment."""
        if self.busy.get(trial) != ray_id:
            return
        del self.busy[trial]
        self.machine.lost(trial, why)
        self.flush()

    def guarded(self, act: Callable[[], Any], otherwise: Any) -> Any:
        """``act()``; an error of ours is kept for the driver's loop, and ``otherwise`` returned."""
        try:
            return act()
        except Exception as error:
            self.failure = self.failure or error
            return otherwise

    def flush(self) -> None:
        """Journal what is new, then let the stopped trials' own records say so."""
        events = self.machine.take()
        self._journal.append(events)
        for event in events:
            if event.event == "verdict" and event.verdict == "stop":
                self._note_stop(event.trial)
            elif event.event == "stop" and event.trial is not None:
                self._note_stop(event.trial)

    def _note_stop(self, trial: Trial) -> None:
        state = self.machine.state
        folder = self.run.trial(trial, generation=self.generation)
        if (result := folder.result()) is not None:
            why = row(state.trials[trial], state.rules).why
            folder.write_result(result | {"status": "stopped", "why": why})

    def _ended(self, trial: Trial, result: Mapping[str, Any]) -> None:
        status = result["ended"]
        if status not in ("completed", "diverged", "failed"):
            raise RunFailure(f"trial {trial}: a worker said it ended as {status}")
        self.machine.ended(trial, status, int(result["epochs"]), str(result["why"]))
        self.flush()

    def _written(self, segment: Segment) -> bool:
        """Write ``config.json`` of a new trial; False where no such trial can be built."""
        folder = self.run.trial(segment.trial, generation=self.generation)
        if (folder.path / "config.json").exists():
            return True
        try:
            config = self.sweep.config(segment.parameters, segment.seed)
            self.sweep.check(config)
        except (TuneError, ModelError) as error:
            first = str(error).splitlines()[0]
            self.machine.ended(segment.trial, "failed", 0, first)
            self.flush()
            return False
        folder.write_config(config)
        return True
