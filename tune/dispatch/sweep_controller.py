"""The driver's controller: between Ray's callbacks and the state machine.

Ray calls a searcher, a scheduler and a callback of ours (``ray_adapters``); all three are thin and
share one SweepController. Events are journaled before anything is acted upon. An error of ours is
kept and raised in the driver's loop, since Ray would take an exception in a callback for the
trial's. Imports neither Ray nor torch.
"""

import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Literal

from genretune.tune.dispatch.driver_settings import DriverSettings
from genretune.tune.dispatch.hang_detector import HangDetector
from genretune.tune.dispatch.messages import (
    EpochReport,
    Progress,
    Refusal,
    SegmentError,
    TrialEnd,
    WorkerMessage,
)
from genretune.tune.dispatch.ray_errors import NODE_DIED
from genretune.tune.dispatch.running_segments import RunningSegment, RunningSegments
from genretune.tune.dispatch.segment_errors import SegmentErrors
from genretune.tune.errors import TuneError
from genretune.tune.run.journal import Journal
from genretune.tune.run.retention import close_trial, epochs_to_keep, readable_result
from genretune.tune.run.stop_requests import stop_requests
from genretune.tune.storage.atomic_io import as_storage_failure, retry_storage
from genretune.tune.storage.run_dir import Lease, RunDir
from genretune.tune.sweep.decisions import CONTINUE, STOP, WAIT, Done, Reply, Segment
from genretune.tune.sweep.state_machine import StateMachine

log = logging.getLogger("genretune.driver")

_KILL_TIMEOUT = 60.0  # s that a killed worker has to die before its trial is taken from it


class SweepController:
    """The state of a running driver.

    Attributes:
        segments: those that run now.
        concurrency: how many may run at once; changes as nodes join and leave.
        errors: those whose origin is not known.
        done: the decision that ended the sweep; None before.
        failure: an error that must end the driver.
        epochs: reported for the first time under this driver.
        longest_epoch: seconds of the longest epoch seen by this driver.
    """

    def __init__(
        self, run: RunDir, state_machine: StateMachine, journal: Journal, settings: DriverSettings
    ) -> None:
        self.run = run
        self.state_machine = state_machine
        self.settings = settings
        self.segments = RunningSegments()
        self.concurrency = settings.concurrency
        self.errors = SegmentErrors()
        self.done: Done | None = None
        self.failure: BaseException | None = None
        self.epochs = 0
        self.longest_epoch = 0.0
        self._hang_detector = HangDetector(settings.hang_timeout)
        self._journal = journal

    def recover(self) -> None:
        """Finish what an earlier driver may have left undone in the folders of its trials."""
        s3 = self.settings.s3
        stored = None if s3 is None else self._with_retries(s3.trials)
        for trial in self.state_machine.state.trials:
            if stored is not None and trial.index not in stored:
                continue
            if trial.final:
                self._close(trial.index)
            else:
                self._download_records(trial.index)

    def next_segment(self, segment_id: str) -> Segment | Literal["wait"] | Done:
        """Decide what the segment that Ray calls ``segment_id`` is to train."""
        if len(self.segments) >= self.concurrency:
            return WAIT
        decision = self.state_machine.next_segment(self.segments.trials)
        self.flush()  # the trial that it creates must be in the journal before a worker gets it
        if isinstance(decision, Done):
            self.done = decision
        if isinstance(decision, Segment):
            self.segments.add(segment_id, decision.trial)
        return decision

    def receive(self, segment_id: str, message: WorkerMessage) -> Reply:
        """Handle a worker's message; reply whether its segment goes on."""
        segment = self.segments.get(segment_id)
        if segment is None:
            return STOP  # it was given up; its trial may run elsewhere by now
        self._hang_detector.heard(segment)
        match message:
            case Progress():
                segment.progress = message
                return self._receive_progress(segment.trial)
            case SegmentError():
                segment.error = message
                return CONTINUE  # the worker raises it, so that Ray does not use its process again
            case Refusal():
                log.info("trial %d: %s", segment.trial, message.why)
                self.state_machine.refused(segment.trial)
                return STOP
            case TrialEnd():
                self.state_machine.ended(segment.trial, message.status, message.epochs, message.why)
                self.flush()
                return STOP
        if segment.node_id is not None:
            self.settings.health.reported(segment.node_id)
        return self._receive_report(segment.trial, message)

    def segment_ended(self, segment_id: str) -> None:
        """Note that the worker has let go of the trial."""
        segment = self.segments.get(segment_id)
        if segment is None:
            return
        self.segments.remove(segment)
        if not self.state_machine.state.trials[segment.trial].final:
            self._download_records(segment.trial)

    def segment_lost(self, segment_id: str, why: str) -> None:
        """Note that the worker was lost during a segment, and reject its late writes."""
        segment = self.segments.get(segment_id)
        if segment is None:
            return
        if segment.withdrawn:
            self.segments.remove(segment)
            self.state_machine.refused(segment.trial)
            return
        if segment.killed_at is not None:
            self._hang_detector.given_up(segment.trial)
            why = "the worker hung and was killed"
        if segment.error is not None:
            why = segment.error.why
        # fence first: a worker that only seems dead must not write beside its successor
        self._with_retries(lambda: (self.settings.s3 or self.run).revoke(segment.trial))
        self._download_records(segment.trial)
        self.segments.remove(segment)
        if self._is_trials_own(segment):
            epochs = self.state_machine.state.trials[segment.trial].epochs
            why = f"{why} (in two processes)"
            self.state_machine.ended(segment.trial, "failed", epochs, why)
        else:
            self._lose(segment, why)
        self.flush()

    def _is_trials_own(self, segment: RunningSegment) -> bool:
        """Return whether a segment ended by an error that the trial raises everywhere."""
        if segment.error is None:
            return False
        nodes = self.settings.usable_nodes(self.machine_class_of(segment.trial))
        return self.errors.add(segment.trial, segment.error, segment.node_id, nodes=nodes)

    def _lose(self, segment: RunningSegment, why: str) -> None:
        """Record a loss; give the trial up if it has killed as many workers as it may."""
        trial, node_id, settings = segment.trial, segment.node_id, self.settings
        log.warning("trial %d was lost: %s", trial, why)
        node_left = NODE_DIED in why  # Ray lists a dead node as alive for a while
        if node_id is not None:
            node_left = node_left or not settings.is_alive(node_id)
            settings.health.lost(node_id, trial)
        self.state_machine.lost(trial, why, node_left=node_left)
        state = self.state_machine.state.trials[trial]
        killed, limit = state.workers_killed, settings.give_up_after
        if limit is not None and killed >= limit and not state.final:
            workers = "1 worker" if killed == 1 else f"{killed} workers"
            self.state_machine.give_up(trial, f"it killed {workers} ({why})")

    def withdraw(self, segment: RunningSegment) -> None:
        """Take back a segment that waits for a node, so that its trial is ordered anew."""
        if segment.handle is not None:
            segment.withdrawn = True
            segment.handle.abandon("its order was outdated")

    def tick(self) -> None:
        """Do what is due from time to time: stop requests, dead and hung segments."""
        self._process_stop_requests()
        for segment in self.segments:
            self._check(segment)

    def lease(self, trial: int) -> Lease:
        """Return the right to write a trial's folder now."""
        attempt = self._with_retries(lambda: self.run.attempt(trial))
        return Lease(self.settings.generation, attempt, self.settings.io_timeout)

    def machine_class_of(self, trial: int) -> str | None:
        """Return the machine class of a trial's first segment; None before one."""
        result = readable_result(self.run.trial_path(trial))
        segments = result["segments"] if result else []
        return str(segments[0]["environment"]["machine_class"]) if segments else None

    def guarded(self, act: Callable[[], Any], otherwise: Any) -> Any:
        """Return ``act()``; keep an error for the driver's loop and return ``otherwise``."""
        try:
            return act()
        except Exception as error:
            self.failure = self.failure or error
            return otherwise

    def flush(self) -> None:
        """Journal the new events, then close the folders of the trials that they end.

        In this order: a folder that is closed without its event in the journal would belong to a
        trial that a resume trains on.
        """
        events = self.state_machine.take_events()
        if events:
            self._with_retries(lambda: self.run.check_driver(self.settings.generation))
        self._with_retries(lambda: self._journal.append(events))
        for event in events:
            trial = getattr(event, "trial", None)
            if trial is not None and self.state_machine.state.trials[trial].final:
                self._close(trial)

    def _receive_progress(self, trial: int) -> Reply:
        if not self.state_machine.state.trials[trial].final:
            return CONTINUE
        self._close(trial)  # the user stopped it, and it may have saved an epoch since
        return STOP

    def _receive_report(self, trial: int, report: EpochReport) -> Reply:
        state = self.state_machine.state.trials[trial]
        before = state.epochs
        reply = self.state_machine.report(trial, report.epoch, report.value, report.weights_sha256)
        self.flush()
        if state.epochs > before:  # not one that its checkpoint held already
            self.epochs += 1
            self.longest_epoch = max(self.longest_epoch, report.seconds)
        if reply == STOP:
            self._close(trial)  # again: a trial that the user stopped has trained an epoch since
        return reply

    def _check(self, segment: RunningSegment) -> None:
        """Detect a segment that exited without reporting, and one that hangs."""
        handle, now = segment.handle, time.monotonic()
        if handle is None:
            return
        if segment.node_id is None:
            segment.node_id = handle.node_id()
        if handle.has_ended():
            self.segment_lost(segment.id, handle.why_ended())
        elif segment.killed_at is not None:
            if now - segment.killed_at > _KILL_TIMEOUT:
                handle.abandon("its worker hung and could not be killed")
        elif handle.has_worker() and self._hang_detector.is_hung(segment, self.longest_epoch):
            segment.killed_at = now
            handle.kill()

    def _process_stop_requests(self) -> None:
        for path, trial in stop_requests(self.run):
            try:
                self.state_machine.stop(trial)
            except TuneError:
                pass  # it has ended since
            self.flush()
            # after the journal: a driver that dies in between processes the request again
            self._with_retries(partial(path.unlink, missing_ok=True))

    def _with_retries(self, act: Callable[[], Any]) -> Any:
        """Do something to the run directory, retrying while its storage fails."""

        def attempt() -> Any:
            with as_storage_failure(self.run.path):
                return act()

        settings = self.settings
        return retry_storage(attempt, seconds=settings.io_timeout, check=settings.check)

    def _download_records(self, trial: int) -> None:
        """Copy an open trial's records from S3: its machine class is read from them."""
        s3 = self.settings.s3
        if s3 is not None:
            self._with_retries(lambda: s3.download_records(trial))

    def _close(self, index: int) -> None:
        state = self.state_machine.state
        trial = state.trials[index]
        keep, s3 = self.settings.keep, self.settings.s3

        def close() -> None:
            if s3 is not None:
                s3.download_records(index)
            close_trial(self.run, trial, state.rules, keep)
            if s3 is not None:
                epochs = epochs_to_keep(self.run.trial_path(index), trial.status, keep)
                if epochs is not None:
                    s3.delete(s3.surplus(index, epochs))

        self._with_retries(close)
