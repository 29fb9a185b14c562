"""Ray Tune's hooks on a real controller: what Ray is told, without a cluster."""

import pickle
from collections.abc import Callable
from typing import Any

import pytest
from ray.tune.experiment import Trial
from ray.tune.search import Searcher

from genretune.tune.dispatch.messages import (
    EpochReport,
    SegmentOrder,
    TrialEnd,
    from_json,
    to_json,
)
from genretune.tune.dispatch.ray_adapters import (
    ControllerCallback,
    SegmentScheduler,
    SegmentSearcher,
)
from genretune.tune.dispatch.signals import Interrupted
from genretune.tune.dispatch.sweep_controller import SweepController
from genretune.tune.errors import RunFailure
from genretune.tune.sweep.decisions import Segment

Make = Callable[..., SweepController]
END = to_json(TrialEnd("completed", 2, "all 2 epochs"))


def order(segment: Segment) -> SegmentOrder:
    return SegmentOrder(
        trial=segment.trial,
        generation=1,
        attempt=0,
        parameters=dict(segment.parameters),
        seed=segment.seed,
        metric="val_loss",
        store="/store",
        io_timeout=0.0,
        bundle={"CPU": 1.0},
    )


def ray_trial(name: str) -> Trial:
    return Trial("any", trial_id=name, stub=True)


def report(epoch: int) -> dict[str, Any]:
    return to_json(EpochReport(epoch, 1.0, f"{epoch}", 0.1)) | {"training_iteration": epoch}


def test_a_whole_sweep(make: Make) -> None:
    controller = make()
    searcher, scheduler = SegmentSearcher(controller, order), SegmentScheduler(controller)
    for index in range(3):
        suggestion = from_json(searcher.suggest(f"ray-{index}"))
        assert isinstance(suggestion, SegmentOrder) and suggestion.trial == index
        if index == 1:
            assert searcher.suggest("ray-9") is None, "two workers are busy"
        if index > 0:
            done = ray_trial(f"ray-{index - 1}")
            for epoch in (1, 2):
                assert scheduler.on_trial_result(None, done, report(epoch)) == "CONTINUE"
            assert scheduler.on_trial_result(None, done, END) == "STOP"
            assert controller.segments.get(f"ray-{index - 1}") is None
    last = ray_trial("ray-2")
    for epoch in (1, 2):
        scheduler.on_trial_result(None, last, report(epoch))
    assert scheduler.on_trial_result(None, last, END) == "STOP"
    assert searcher.suggest("ray-3") == Searcher.FINISHED
    callback = ControllerCallback(
        controller, begin=lambda: None, tick=lambda: None, show=lambda: None
    )
    with pytest.raises(Interrupted):
        callback.on_step_begin(1, [])


def test_results_that_ray_makes_up_do_not_concern_us(make: Make) -> None:
    controller = make()
    SegmentSearcher(controller, order).suggest("ray-0")
    scheduler = SegmentScheduler(controller)
    assert scheduler.on_trial_result(None, ray_trial("ray-0"), {"done": True}) == "CONTINUE"
    assert len(controller.segments) == 1


def test_no_pending_segment_is_chosen(make: Make) -> None:
    """Ray would take the worker from it that it waits for."""
    assert SegmentScheduler(make()).choose_trial_to_run(None) is None


def test_late_reports_of_a_lost_segment_stop_it(make: Make) -> None:
    controller = make()
    SegmentSearcher(controller, order).suggest("ray-0")
    scheduler = SegmentScheduler(controller)
    controller.segment_lost("ray-0", "the node died")
    assert scheduler.on_trial_result(None, ray_trial("ray-0"), report(1)) == "STOP"


def test_an_error_of_ours_ends_the_driver_and_is_not_the_trials(make: Make) -> None:
    controller = make()
    searcher = SegmentSearcher(controller, order)
    searcher.suggest("ray-0")
    broken = report(1) | {"epoch": "many"}
    scheduler = SegmentScheduler(controller)
    assert scheduler.on_trial_result(None, ray_trial("ray-0"), broken) == "STOP"
    assert isinstance(controller.failure, RunFailure)
    assert searcher.suggest("ray-1") == Searcher.FINISHED
    callback = ControllerCallback(
        controller, begin=lambda: None, tick=lambda: None, show=lambda: None
    )
    with pytest.raises(Interrupted):
        callback.on_step_begin(1, [])


def test_the_callback_ticks_twice_a_second_and_keeps_errors(make: Make) -> None:
    controller, ticks = make(), list[int]()

    def tick() -> None:
        ticks.append(1)
        raise RunFailure("no disk")

    callback = ControllerCallback(controller, begin=lambda: None, tick=tick, show=lambda: None)
    callback.on_step_begin(1, [])
    assert ticks == [1] and isinstance(controller.failure, RunFailure)


def test_hooks_carry_nothing_into_a_pickle(make: Make) -> None:
    controller = make()
    hooks: tuple[Any, ...] = (
        SegmentSearcher(controller, order),
        SegmentScheduler(controller),
        ControllerCallback(controller, begin=lambda: None, tick=lambda: None, show=lambda: None),
    )
    for hook in hooks:
        assert hook.__getstate__() == {}
        assert b"controller" not in pickle.dumps(hook).replace(b"ControllerCallback", b"")
