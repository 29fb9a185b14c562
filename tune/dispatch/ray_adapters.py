"""Ray Tune's searcher, scheduler and callback: thin adapters to one SweepController.

Ray pickles them into experiment snapshots that are never read, so nothing of them is pickled.
The private names of Ray Tune that they use are listed in tests/tune/dispatch/test_ray_private.py.
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

from genretune.tune.dispatch.messages import (
    SegmentOrder,
    from_json,
    is_message,
    to_json,
)
from genretune.tune.dispatch.ray_errors import LOST, why_lost
from genretune.tune.dispatch.signals import Interrupted
from genretune.tune.dispatch.sweep_controller import SweepController
from genretune.tune.errors import RunFailure
from genretune.tune.sweep.decisions import CONTINUE, Done, Reply, Segment

_TICK = 0.5  # s


class SegmentSearcher(Searcher):
    """Suggests segments: each suggestion is the order of one.

    Args:
        make_order: turns a decision of the state machine into the order for a worker.
    """

    def __init__(
        self, controller: SweepController, make_order: Callable[[Segment], SegmentOrder]
    ) -> None:
        super().__init__()
        self._controller = controller
        self._make_order = make_order

    def suggest(self, trial_id: str) -> Any:
        """Return the order of a segment, None (not now) or FINISHED."""
        answer = self._controller.guarded(lambda: self._suggest(trial_id), None)
        if isinstance(answer, Done) or self._controller.failure is not None:
            return Searcher.FINISHED  # on None with nothing running, Ray sleeps for minutes
        return answer

    def _suggest(self, trial_id: str) -> Any:
        decision = self._controller.next_segment(trial_id)
        if isinstance(decision, Segment):
            order = self._make_order(decision)
            if segment := self._controller.segments.get(trial_id):
                segment.excluded = frozenset(order.excluded_nodes)
            return to_json(order)
        return decision if isinstance(decision, Done) else None

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Do nothing: the scheduler has told the controller."""

    def save(self, checkpoint_path: str) -> None:
        Path(checkpoint_path).touch()

    def restore(self, checkpoint_path: str) -> None:
        """Do nothing: the journal is the only memory."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


class SegmentScheduler(FIFOScheduler):
    """Stops segments: at an undecided rung, at a verdict, at the trial's end."""

    _supports_buffered_results = False  # every report needs its reply before the next epoch

    def __init__(self, controller: SweepController) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._controller = controller

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        segment = self._controller.segments.get(trial.trial_id)
        if segment is not None:
            segment.handle = _RaySegment(tune_controller, trial)

    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:
        """Choose none: Ray starts every pending segment anyway.

        It gives a chosen one any worker that has become free, and withdraws the worker that was
        requested for it. The oldest pending segment is that of a node which has just joined: while
        segments elsewhere are shorter than the start of a worker, that node would never get one.
        """
        return None

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        if not is_message(result):
            return str(TrialScheduler.CONTINUE)
        controller, segment_id = self._controller, trial.trial_id
        reply = controller.guarded(lambda: self._receive(segment_id, result), None)
        if reply == CONTINUE:
            return str(TrialScheduler.CONTINUE)
        # the worker waits inside report(), and Ray ends it before it asks for another segment, so
        # the trial is free by the time it can be suggested again
        controller.guarded(lambda: controller.segment_ended(segment_id), None)
        return str(TrialScheduler.STOP)

    def on_trial_error(self, tune_controller: Any, trial: Trial) -> None:
        controller = self._controller
        controller.guarded(lambda: controller.segment_lost(trial.trial_id, _why_ended(trial)), None)

    def _receive(self, segment_id: str, result: dict[str, Any]) -> Reply:
        message = from_json(result)
        if isinstance(message, SegmentOrder):
            raise RunFailure(f"message from a worker: must not be an order, got {message}")
        return self._controller.receive(segment_id, message)

    def __getstate__(self) -> dict[str, Any]:
        return {}


class ControllerCallback(Callback):
    """The one clock of the driver: Ray calls it at every turn of its loop.

    Args:
        begin: called once, after Ray Tune has installed its signal handlers.
        tick: what is due about twice a second.
        show: displays progress.
    """

    def __init__(
        self,
        controller: SweepController,
        *,
        begin: Callable[[], None],
        tick: Callable[[], None],
        show: Callable[[], None],
    ) -> None:
        self._controller = controller
        self._begin = begin
        self._tick = tick
        self._show = show
        self._ticked = 0.0

    def setup(self, *arguments: Any, **info: Any) -> None:
        self._begin()

    def on_step_begin(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        self._controller.settings.check()
        if self._controller.failure is not None or self._controller.done is not None:
            # also at the end: Ray would then collect result files that do not exist
            raise Interrupted
        now = time.monotonic()
        if now - self._ticked >= _TICK:
            self._ticked = now
            self._controller.guarded(self._tick, None)
            self._show()

    def on_trial_complete(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """Free the statistics that Ray keeps of every segment until it exits (30 KB each)."""
        trial.run_metadata.metric_analysis = {}
        trial.run_metadata.metric_n_steps = {}
        trial._default_result_or_future = {}

    def __getstate__(self) -> dict[str, Any]:
        return {}


class _RaySegment:
    """Ray's side of a running segment (``SegmentHandle``)."""

    def __init__(self, tune_controller: Any, trial: Trial) -> None:
        self._tune_controller = tune_controller
        self._trial = trial

    def has_worker(self) -> bool:
        return self._trial.temporary_state.ray_actor is not None

    def node_id(self) -> str | None:
        actor = self._trial.temporary_state.ray_actor
        if actor is None:
            return None
        facts = ray._private.state.actors(actor._actor_id.hex())
        return str(facts["Address"]["NodeID"]) if facts.get("State") == "ALIVE" else None

    def has_ended(self) -> bool:
        return self._trial.status in (Trial.ERROR, Trial.TERMINATED)

    def why_ended(self) -> str:
        return _why_ended(self._trial)

    def kill(self) -> None:
        actor = self._trial.temporary_state.ray_actor
        if actor is not None:  # it may have let go since ``has_worker``
            ray.kill(actor)

    def abandon(self, why: str) -> None:
        self._tune_controller._process_trial_failure(self._trial, TimeoutError(why))


def bundle_of(order: dict[str, Any]) -> PlacementGroupFactory:
    """Return the resources that a segment reserves, and the nodes that it must avoid."""
    if excluded := order.get("excluded_nodes"):
        selector = {"ray.io/node-id": f"!in({','.join(excluded)})"}
        return PlacementGroupFactory([order["bundle"]], bundle_label_selector=[selector])
    return PlacementGroupFactory([order["bundle"]])


def _why_ended(trial: Trial) -> str:
    return why_lost(Path(trial.error_file)) if trial.error_file else LOST
