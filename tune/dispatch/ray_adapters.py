"""Ray Tune's three hooks, each a thin shell around the Desk.

They are pickled into snapshots that nobody reads, so they carry nothing into a pickle.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ray
from ray.tune import Callback, PlacementGroupFactory
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from genretune.tune.dispatch.hang_detector import HangDetector
from genretune.tune.dispatch.ray_errors import LOST, why_lost
from genretune.tune.dispatch.signals import Interrupted
from genretune.tune.dispatch.sweep_controller import SweepController
from genretune.tune.dispatch.trainable import order_for
from genretune.tune.sweep.decisions import CONTINUE, Done, Segment

_LOOK_EVERY = 0.5  # s
_TO_DIE = 60.0  # s that a killed worker has until its trial is taken from it


class SegmentSearcher(Searcher):
    """Suggests segments: ``suggest`` asks the desk for the next one."""

    def __init__(
        self,
        controller: SweepController,
        order: dict[str, Any],
        where: Callable[[int], dict[str, Any]],
    ) -> None:
        super().__init__()
        self._controller = controller
        self._order = order
        self._where = where

    def suggest(self, trial_id: str) -> Any:
        """An order for one segment, None (not now) or FINISHED."""
        answer = self._controller.guarded(lambda: self._ask(trial_id), None)
        if isinstance(answer, Done) or self._controller.failure is not None:
            return Searcher.FINISHED  # None while nothing runs would put Ray to sleep
        return answer

    def _ask(self, trial_id: str) -> Any:
        answer = self._controller.next_order(trial_id)
        if isinstance(answer, Segment):
            trial, lease = answer.trial, self._controller.lease(answer.trial)
            own = {"trial": trial, "attempt": lease.attempt, **self._where(trial)}
            what: dict[str, Any] = {"parameters": answer.parameters, "seed": answer.seed}
            return order_for(**self._order, **own, **what)
        return answer if isinstance(answer, Done) else None

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """The scheduler has told the desk already."""

    def save(self, checkpoint_path: str) -> None:
        Path(checkpoint_path).touch()

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: the journal is the only memory."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


class SegmentScheduler(FIFOScheduler):
    """Stops segments: at an undecided rung, at a verdict, at the trial's end."""

    _supports_buffered_results = False

    def __init__(self, controller: SweepController, watch: HangDetector) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._controller = controller
        self._watch = watch
        self._segments: dict[str, Trial] = {}
        self._killed: dict[str, float] = {}
        self._looked = 0.0

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        self._segments[trial.trial_id] = trial

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        if not ("epoch" in result or "ended" in result):
            return str(TrialScheduler.CONTINUE)
        index, name = trial.config["trial"], trial.trial_id
        self._watch.heard(name)
        reply = self._controller.guarded(
            lambda: self._controller.reported(index, name, result), None
        )
        if reply == CONTINUE:
            return str(TrialScheduler.CONTINUE)
        # Ray stops the segment before it asks for another: its worker waits inside report()
        self._controller.guarded(lambda: self._controller.over(index, name), None)
        self._forget(name)
        return str(TrialScheduler.STOP)

    def on_trial_error(self, tune_controller: Any, trial: Trial) -> None:
        self._lose(trial, _why(trial))

    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:
        """Ray's own choice; here too because every turn of the loop passes here."""
        now = time.monotonic()
        if now - self._looked >= _LOOK_EVERY:
            self._looked = now
            self._controller.guarded(lambda: self._look(tune_controller, now), None)
        found: Trial | None = super().choose_trial_to_run(tune_controller)
        return found

    def _look(self, tune_controller: Any, now: float) -> None:
        """Find segments that ended without a word, and those that go on without one."""
        for index, name in list(self._controller.busy.items()):
            trial = self._segments.get(name)
            if trial is None:
                continue
            worker = trial.temporary_state.ray_actor
            if trial.status in (Trial.ERROR, Trial.TERMINATED):
                self._lose(trial, _why(trial))
            elif name in self._killed:
                if now - self._killed[name] > _TO_DIE:
                    silence = TimeoutError("its worker was silent and could not be ended")
                    tune_controller._process_trial_failure(trial, silence)
            elif worker is not None:
                silent = self._watch.silent_for(index, name, self._controller.longest)
                if silent is not None:
                    self._killed[name] = now
                    ray.kill(worker)

    def _lose(self, trial: Trial, why: str) -> None:
        index, name = trial.config["trial"], trial.trial_id
        if name in self._killed:
            self._watch.gave_up(index, name)
            why = "the worker was silent for too long and was ended"
        self._controller.guarded(lambda: self._controller.lost(index, name, why), None)
        self._forget(name)

    def _forget(self, name: str) -> None:
        self._watch.over(name)
        self._killed.pop(name, None)
        self._segments.pop(name, None)

    def __getstate__(self) -> dict[str, Any]:
        return {}


class ControllerCallback(Callback):
    """Looks up from Ray's loop: ends it where asked to, hears requests, and shows progress."""

    def __init__(
        self, controller: SweepController, *, look: Callable[[], None], show: Callable[[], None]
    ) -> None:
        self._controller = controller
        self._look = look
        self._show = show
        self._shown = 0.0

    def on_step_begin(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        self._controller.terms.check()
        if self._controller.failure is not None or self._controller.done is not None:
            raise Interrupted  # also at the end: Ray would go on to gather files nobody wrote
        now = time.monotonic()
        if now - self._shown >= _LOOK_EVERY:
            self._shown = now
            self._controller.guarded(self._look, None)
            self._show()

    def on_trial_complete(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """Let go of what Ray keeps of every segment for ever: statistics that nobody reads."""
        trial.run_metadata.metric_analysis = {}
        trial.run_metadata.metric_n_steps = {}
        trial._default_result_or_future = {}

    def __getstate__(self) -> dict[str, Any]:
        return {}


def bundle_of(order: dict[str, Any]) -> PlacementGroupFactory:
    """What a segment reserves, and the nodes that it must keep off."""
    if foreign := order.get("not_on"):
        selector = {"ray.io/node-id": f"!in({','.join(foreign)})"}
        return PlacementGroupFactory([order["bundle"]], bundle_label_selector=[selector])
    return PlacementGroupFactory([order["bundle"]])


def _why(trial: Trial) -> str:
    """What Ray says of a segment's end, in one line."""
    return why_lost(Path(trial.error_file)) if trial.error_file else LOST
