"""Ray Tune's three hooks, each a thin shell around the Desk.

They are pickled into snapshots that nobody reads, so they carry nothing into a pickle.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ray.tune import Callback
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from genretune.tune.dispatch.desk import Desk
from genretune.tune.dispatch.worker import order_for
from genretune.tune.sweep.answers import CONTINUE, Done, Segment


class Interrupted(BaseException):
    """Leaves Ray's loop; no ``except Exception`` of Ray's catches it."""


class DeskSearcher(Searcher):
    """Suggests segments: ``suggest`` asks the desk for the next one."""

    def __init__(self, desk: Desk, order: dict[str, Any]) -> None:
        super().__init__()
        self._desk = desk
        self._order = order

    def suggest(self, trial_id: str) -> Any:
        """An order for one segment, None (not now) or FINISHED."""
        answer = self._desk.guarded(lambda: self._desk.next_order(trial_id), None)
        if isinstance(answer, Segment):
            return order_for(trial=answer.trial, **self._order)
        return Searcher.FINISHED if isinstance(answer, Done) else None

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


class DeskScheduler(FIFOScheduler):
    """Stops segments: at an undecided rung, at a verdict, at the trial's end."""

    _supports_buffered_results = False

    def __init__(self, desk: Desk) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._desk = desk

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        if not ("epoch" in result or "ended" in result):
            return str(TrialScheduler.CONTINUE)
        index = trial.config["trial"]
        reply = self._desk.guarded(lambda: self._desk.reported(index, result), None)
        if reply == CONTINUE:
            return str(TrialScheduler.CONTINUE)
        # Ray stops the segment before it asks for another: its worker waits inside report()
        self._desk.over(index, trial.trial_id)
        return str(TrialScheduler.STOP)

    def on_trial_error(self, tune_controller: Any, trial: Trial) -> None:
        why = "the worker was lost"
        if trial.get_error() is not None:
            why = _last_line(str(trial.get_error())) or why
        index = trial.config["trial"]
        self._desk.guarded(lambda: self._desk.lost(index, trial.trial_id, why), None)

    def __getstate__(self) -> dict[str, Any]:
        return {}


class DeskCallback(Callback):
    """Looks up from Ray's loop: ends it where asked to, and shows progress."""

    def __init__(self, desk: Desk, *, wanted: Callable[[], bool], show: Callable[[], None]) -> None:
        self._desk = desk
        self._stop_wanted = wanted
        self._show = show
        self._shown = 0.0

    def on_step_begin(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        if self._desk.failure is not None or self._stop_wanted() or self._desk.done is not None:
            raise Interrupted  # also at the end: Ray would go on to gather files nobody wrote
        now = time.monotonic()
        if now - self._shown >= 0.5:
            self._shown = now
            self._show()

    def __getstate__(self) -> dict[str, Any]:
        return {}


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    return lines[-1][:200] if lines else ""
