"""The driver's desk: between Ray's callbacks and the state machine; everything goes through here.

Ray calls a searcher, a scheduler and a callback of ours; all three are thin and talk to one Desk.
Events reach the journal before anything is acted upon. An error of ours is kept and raised in the
driver's loop, since Ray would take it for the trial's.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from genretune.tune.errors import RunFailure, TuneError
from genretune.tune.run.journal import Journal
from genretune.tune.run.retention import close, kept_epochs, read_result
from genretune.tune.run.stop_requests import requests
from genretune.tune.space.settings import Keep
from genretune.tune.storage.atomic_io import retry_storage, storage
from genretune.tune.storage.run_dir import Lease, RunDir
from genretune.tune.storage.s3_run import S3Run
from genretune.tune.sweep.decisions import STOP, WAIT, Done, Reply, Segment
from genretune.tune.sweep.state_machine import StateMachine

Trial = int


@dataclass(frozen=True)
class DriverSettings:
    """How this driver works; nothing here changes a result.

    Attributes:
        generation: the driver's.
        concurrency: trials at once.
        patience: how long (s) to wait for storage that refuses.
        keep: which checkpoints of finished trials stay.
        check: raises where the driver is to end while it waits.
        remote: where checkpoints and records lie, if not in the run directory.
    """

    generation: int
    concurrency: int
    patience: float = 600.0
    keep: Keep = "usual"
    check: Callable[[], None] = lambda: None
    remote: S3Run | None = None


class SweepController:
    """State of a running driver.

    Attributes:
        busy: trials whose segment is not over, with Ray's id of the segment.
        done: what the machine said at the end; None before.
        failure: an error that must end the driver.
    """

    def __init__(
        self, run: RunDir, state_machine: StateMachine, journal: Journal, terms: DriverSettings
    ) -> None:
        self.run = run
        self.state_machine = state_machine
        self.terms = terms
        self.concurrency = terms.concurrency
        self.busy: dict[Trial, str] = {}
        self.done: Done | None = None
        self.failure: BaseException | None = None
        self.epochs = 0
        """Epochs reported for the first time under this driver."""
        self.longest = 0.0
        """Seconds of the longest epoch seen by this driver."""
        self._journal = journal

    def tidy(self) -> None:
        """Do what a driver that died may have left undone in the folders of finished trials."""
        remote = self.terms.remote
        left = None if remote is None else self._store(remote.trials)
        for known in self.state_machine.state.trials:
            if left is not None and known.index not in left:
                continue
            if known.final:
                self._close(known.index)
            else:
                self._bring(known.index)

    def next_order(self, ray_id: str) -> Segment | Literal["wait"] | Done:
        """What the worker that Ray calls ``ray_id`` is to do."""
        if len(self.busy) >= self.concurrency:
            return WAIT
        answer = self.state_machine.next_segment(self.busy)
        self.flush()
        if isinstance(answer, Done):
            self.done = answer
        if isinstance(answer, Segment):
            self.busy[answer.trial] = ray_id
        return answer

    def reported(self, trial: Trial, ray_id: str, result: Mapping[str, Any]) -> Reply:
        """An epoch, or the end, of a running segment."""
        if self.busy.get(trial) != ray_id:
            return STOP  # it was given up before
        if "ended" in result:
            self._ended(trial, result)
            return STOP
        before = self.state_machine.state.trials[trial].epochs
        reply = self.state_machine.report(
            trial, int(result["epoch"]), float(result["value"]), str(result["weights_sha256"])
        )
        self.flush()
        if self.state_machine.state.trials[trial].epochs > before:
            self.epochs += 1
            self.longest = max(self.longest, float(result["seconds"]))
        if reply == STOP:
            self._close(trial)  # again, where the user stopped it in the middle of an epoch
        return reply

    def over(self, trial: Trial, ray_id: str) -> None:
        """The worker has let the trial go."""
        if self.busy.get(trial) != ray_id:
            return
        del self.busy[trial]
        if not self.state_machine.state.trials[trial].final:
            self._bring(trial)

    def lost(self, trial: Trial, ray_id: str, why: str) -> None:
        """The worker was lost in the middle of a segment; what it may still write is void."""
        if self.busy.get(trial) != ray_id:
            return
        self._store(lambda: (self.terms.remote or self.run).revoke(trial))
        self._bring(trial)
        del self.busy[trial]
        self.state_machine.lost(trial, why)
        self.flush()

    def hear(self) -> None:
        """Do what other processes ask for."""
        for path, trial in requests(self.run):
            try:
                self.state_machine.stop(trial)
            except TuneError:
                pass  # it has ended by itself since
            self.flush()
            self._store(partial(path.unlink, missing_ok=True))

    def lease(self, trial: Trial) -> Lease:
        """The right to write a trial's folder now."""
        attempt = self._store(lambda: self.run.attempt(trial))
        return Lease(self.terms.generation, attempt, self.terms.patience)

    def begun_on(self, trial: Trial) -> str | None:
        """The machine class of a trial's first segment; None before one."""
        result = read_result(self.run.trial_path(trial))
        segments = result["segments"] if result else []
        return str(segments[0]["environment"]["machine_class"]) if segments else None

    def guarded(self, act: Callable[[], Any], otherwise: Any) -> Any:
        """``act()``; an error of ours is kept for the driver's loop, and ``otherwise`` returned."""
        try:
            return act()
        except Exception as error:
            self.failure = self.failure or error
            return otherwise

    def flush(self) -> None:
        """Journal what is new, then see to the folders of the trials that it ends."""
        events = self.state_machine.take()
        if events:
            self.run.check_driver(self.terms.generation)
        self._store(lambda: self._journal.append(events))
        for event in events:
            trial = getattr(event, "trial", None)
            if trial is not None and self.state_machine.state.trials[trial].final:
                self._close(trial)

    def _store(self, act: Callable[[], Any]) -> Any:
        """Do something to the run directory, waiting for storage that refuses."""

        def attempt() -> Any:
            with storage(self.run.path):
                return act()

        return retry_storage(attempt, seconds=self.terms.patience, check=self.terms.check)

    def _bring(self, trial: Trial) -> None:
        """See an open trial's records in the run directory: its machine class stands there."""
        remote = self.terms.remote
        if remote is not None:
            self._store(lambda: remote.bring(trial))

    def _close(self, trial: Trial) -> None:
        state = self.state_machine.state
        known = state.trials[trial]
        keep, remote = self.terms.keep, self.terms.remote

        def finish() -> None:
            if remote is not None:
                remote.bring(trial)
            close(self.run, known, state.rules, keep)
            if remote is not None:
                epochs = kept_epochs(self.run.trial_path(trial), known.status, keep)
                if epochs is not None:
                    remote.delete(remote.surplus(trial, epochs))

        self._store(finish)

    def _ended(self, trial: Trial, result: Mapping[str, Any]) -> None:
        status = result["ended"]
        if status not in ("completed", "diverged", "failed"):
            raise RunFailure(f"trial {trial}: a worker said it ended as {status}")
        self.state_machine.ended(trial, status, int(result["epochs"]), str(result["why"]))
        self.flush()
