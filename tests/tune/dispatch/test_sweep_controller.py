"""The controller without Ray: running and lost segments, hangs, and failing storage."""

import errno
import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from genretune.tune.dispatch.messages import (
    EpochReport,
    Progress,
    Refusal,
    SegmentError,
    TrialEnd,
)
from genretune.tune.dispatch.nodes.health import NodeHealth
from genretune.tune.dispatch.running_segments import RunningSegment
from genretune.tune.dispatch.sweep_controller import SweepController
from genretune.tune.run.journal import read_journal
from genretune.tune.run.stop_requests import discard_drain_requests, request_stop
from genretune.tune.storage.atomic_io import StorageFailure
from genretune.tune.storage.object_store import ObjectStore
from genretune.tune.storage.run_dir import Replaced
from genretune.tune.storage.s3_run import S3Run, object_name
from genretune.tune.sweep.decisions import Done, Segment
from tests.s3_server import S3

Make = Callable[..., SweepController]


def epoch(number: int, value: float = 1.0) -> EpochReport:
    return EpochReport(epoch=number, value=value, weights_sha256=f"{number}", seconds=0.1)


def end(epochs: int) -> TrialEnd:
    return TrialEnd("completed", epochs, "all epochs")


def test_decisions_are_journaled_before_they_are_returned(make: Make) -> None:
    controller = make()
    first = controller.next_segment("ray-0")
    assert isinstance(first, Segment) and first.trial == 0
    kinds = [event.event for event in read_journal(controller.run.journal)]
    assert kinds == ["driver", "created"]
    assert isinstance(controller.next_segment("ray-1"), Segment)
    assert controller.next_segment("ray-2") == "wait", "no more than the concurrency at once"
    assert controller.receive("ray-0", epoch(1)) == "continue"
    assert (controller.epochs, controller.longest_epoch) == (1, 0.1)
    assert read_journal(controller.run.journal)[-1].event == "report"


def test_a_lost_segment_is_requeued_first_and_its_late_messages_are_rejected(
    make: Make,
) -> None:
    controller = make()
    controller.next_segment("ray-0")
    controller.next_segment("ray-1")
    controller.run.trial_path(0).mkdir(parents=True)
    before = controller.lease(0)
    controller.segment_lost("ray-0", "node lost")
    controller.segment_lost("ray-0", "node lost")  # Ray may report it twice
    assert [e.event for e in read_journal(controller.run.journal)].count("lost") == 1
    assert controller.receive("ray-0", epoch(1)) == "stop"
    again = controller.next_segment("ray-2")
    assert isinstance(again, Segment) and again.trial == 0
    assert controller.lease(0).attempt == before.attempt + 1
    controller.segment_ended("ray-0")  # the old worker lets go at last
    assert [(one.id, one.trial) for one in controller.segments if one.trial == 0] == [("ray-2", 0)]
    assert controller.receive("ray-2", epoch(1)) == "continue"


def test_a_sweep_is_done_when_every_trial_has_ended(make: Make) -> None:
    controller = make()
    for trial in range(3):
        name = f"ray-{trial}"
        controller.next_segment(name)
        for number in (1, 2):
            controller.receive(name, epoch(number))
        assert controller.receive(name, end(2)) == "stop"
        controller.segment_ended(name)
    done = controller.next_segment("ray-9")
    assert isinstance(done, Done) and done.reason == "finished" and controller.done == done


def test_a_full_disk_leaves_the_journal_intact(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    controller = make(io_timeout=5.0)
    controller.next_segment("ray-0")
    import os

    write, refusals = os.write, [2]

    def full(file: int, data: bytes) -> int:
        if refusals[0]:
            refusals[0] -= 1
            write(file, bytes(data)[:7])  # a partial write
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(file, data)

    monkeypatch.setattr("genretune.tune.run.journal.os.write", full)
    assert controller.receive("ray-0", epoch(1)) == "continue"
    assert refusals == [0]
    assert [e.event for e in read_journal(controller.run.journal)] == [
        "driver",
        "created",
        "report",
    ]

    controller = make(io_timeout=0.0)
    refusals[0] = 1
    with pytest.raises(StorageFailure, match="No space left on device .free or mount"):
        controller.next_segment("ray-1")


def test_stop_requests_are_processed_and_old_drains_are_not(
    make: Make,
) -> None:
    controller = make()
    controller.next_segment("ray-0")
    path = request_stop(controller.run, 0)
    (path.parent / "0-nonsense.json").write_text("{")
    controller.tick()
    assert not path.exists()
    assert controller.receive("ray-0", epoch(1)) == "stop"
    drain = request_stop(controller.run, None)
    discard_drain_requests(controller.run)
    assert not drain.exists() and not controller.state_machine.draining
    request_stop(controller.run, None)
    controller.recover()
    controller.tick()
    controller.segment_ended("ray-0")
    done = controller.next_segment("ray-1")
    assert isinstance(done, Done) and done.reason == "drained"


def test_a_replaced_driver_writes_nothing_more(make: Make) -> None:
    controller = make()
    controller.next_segment("ray-0")
    before = controller.run.journal.read_bytes()
    holder = {"generation": 2, "pid": 1, "host": "elsewhere", "started": 0.0}
    controller.run.driver_json.write_text(json.dumps(holder))
    with pytest.raises(Replaced, match="driver 1 was replaced by 2"):
        controller.receive("ray-0", epoch(1))
    assert controller.run.journal.read_bytes() == before


def test_a_worker_lost_before_it_created_its_folder_is_fenced_too(
    make: Make,
) -> None:
    controller = make()
    controller.next_segment("ray-0")
    old = controller.lease(0)
    assert not controller.run.trial_path(0).exists()
    controller.segment_lost("ray-0", "silent")
    controller.run.driver_json.write_text('{"generation": 1, "pid": null}')
    with pytest.raises(Replaced, match="segment of trial 0 was given up"):
        controller.run.check_lease(0, old)
    controller.run.check_lease(0, controller.lease(0))


def test_a_stopped_trial_is_recorded_and_loses_its_checkpoints(
    make: Make,
) -> None:
    controller = make()
    controller.next_segment("ray-0")
    folder = controller.run.trial_path(0)
    (folder / "checkpoints").mkdir(parents=True)
    for name in ("00001", "00002", "best"):
        (folder / "checkpoints" / f"{name}.safetensors").write_text("x")
    (folder / "result.json").write_text('{"status": "running", "why": null, "history": []}')
    request_stop(controller.run, 0)
    controller.tick()
    record = json.loads((folder / "result.json").read_text())
    assert (record["status"], record["why"]) == ("stopped", "stopped by the user after epoch 0")
    assert list((folder / "checkpoints").iterdir()) == []


def test_a_new_driver_downloads_records_from_s3(make: Make, s3: S3) -> None:
    controller = make()
    remote = S3Run(controller.run, ObjectStore(s3.uri("controller")))
    controller.settings = replace(controller.settings, s3=remote)
    controller.next_segment("ray-0")
    controller.next_segment("ray-1")
    result = {"segments": [{"environment": {"machine_class": "a class"}}]}
    for trial in (0, 1):
        bundle = io.BytesIO()
        with zipfile.ZipFile(bundle, "w") as file:
            file.writestr("result.json", json.dumps(result))
        ObjectStore(s3.uri("controller")).put(object_name(trial, 1, 1, 0), bundle.getvalue())
    assert controller.machine_class_of(0) is None
    controller.segment_lost("ray-0", "node lost")
    assert controller.machine_class_of(0) == "a class", (
        "it stays there, though it was lost in its first segment"
    )
    assert controller.machine_class_of(1) is None
    controller.recover()
    assert controller.machine_class_of(1) == "a class"


class Handle:
    """Ray's side of a segment, for tests."""

    def __init__(self) -> None:
        self.worker, self.ended, self.calls = True, False, list[str]()

    def has_worker(self) -> bool:
        return self.worker

    def node_id(self) -> str | None:
        return "node-a" if self.worker else None

    def has_ended(self) -> bool:
        return self.ended

    def why_ended(self) -> str:
        return "the node died"

    def kill(self) -> None:
        self.calls.append("kill")

    def abandon(self, why: str) -> None:
        self.calls.append(why)


def running(controller: SweepController, segment_id: str) -> tuple[RunningSegment, Handle]:
    controller.next_segment(segment_id)
    segment, handle = controller.segments.get(segment_id), Handle()
    assert segment is not None
    segment.handle = handle
    return segment, handle


def test_a_segment_that_exits_without_reporting_is_lost(make: Make) -> None:
    controller = make()
    _, handle = running(controller, "ray-0")
    controller.tick()
    assert len(controller.segments) == 1
    handle.ended = True
    controller.tick()
    assert len(controller.segments) == 0
    (loss,) = [e for e in read_journal(controller.run.journal) if e.event == "lost"]
    assert (loss.trial, loss.why) == (0, "the node died")


def test_a_hung_worker_is_killed_then_abandoned(make: Make) -> None:
    controller = make()
    controller.settings = replace(controller.settings, hang_timeout=1.0)
    segment, handle = running(controller, "ray-0")
    handle.worker = False
    segment.heard_at = -1e9
    controller.tick()
    assert handle.calls == [], "no worker yet: it waits for resources"
    handle.worker = True
    controller.tick()
    controller.tick()
    assert handle.calls == ["kill"], "once"
    segment.killed_at = -1e9
    controller.tick()
    assert handle.calls[1:] == ["its worker hung and could not be killed"]
    controller.segment_lost("ray-0", "timeout")
    (loss,) = [e for e in read_journal(controller.run.journal) if e.event == "lost"]
    assert loss.why == "the worker hung and was killed"


def events_of(controller: SweepController, kind: str) -> list[Any]:
    return [event for event in read_journal(controller.run.journal) if event.event == kind]


def broken(process: str, *, epoch: int = 1, error: str = "AcceleratorError") -> SegmentError:
    return SegmentError(error, epoch, process, f"{error}: CUDA error")


def test_an_error_that_may_be_the_gpus_is_the_trials_if_it_repeats(make: Make) -> None:
    controller = make()
    for attempt, message in enumerate(
        (broken("a:1"), broken("a:1"), broken("a:2", epoch=2), broken("a:3"))
    ):
        running(controller, f"ray-{attempt}")
        assert controller.receive(f"ray-{attempt}", message) == "continue", "it is to raise it"
        assert not events_of(controller, "ended")
        controller.segment_lost(f"ray-{attempt}", "Ray's words")
    assert len(events_of(controller, "lost")) == 3, "not in the same process, nor another epoch"
    (ended,) = events_of(controller, "ended")
    assert (ended.trial, ended.status) == (0, "failed")
    assert ended.why == "AcceleratorError: CUDA error (in two processes)"


def test_where_there_are_two_nodes_it_must_repeat_on_the_other(make: Make) -> None:
    controller = make()
    controller.settings = replace(controller.settings, usable_nodes=lambda machine_class: 2)
    for attempt, node in enumerate(("a", "a", "b")):
        segment, _ = running(controller, f"ray-{attempt}")
        segment.node_id = node
        assert controller.errors.nodes(0) == ({"a"} if attempt else set())
        controller.receive(f"ray-{attempt}", broken(f"{node}:{attempt}"))
        controller.segment_lost(f"ray-{attempt}", "Ray's words")
    assert [len(events_of(controller, kind)) for kind in ("lost", "ended")] == [2, 1]


def test_a_refusal_costs_nothing(make: Make) -> None:
    controller = make()
    for attempt in range(9):
        segment, _ = running(controller, f"ray-{attempt}")
        assert segment.trial == 0
        assert controller.receive(f"ray-{attempt}", Refusal("another machine class")) == "stop"
        controller.segment_ended(f"ray-{attempt}")
    assert not events_of(controller, "lost") and controller.lease(0).attempt == 0


def test_a_withdrawn_segment_costs_nothing(make: Make) -> None:
    controller = make()
    segment, handle = running(controller, "ray-0")
    controller.withdraw(segment)
    assert handle.calls == ["its order was outdated"]
    controller.segment_lost("ray-0", "abandoned")  # what Ray makes of it
    assert not events_of(controller, "lost")
    again = controller.next_segment("ray-1")
    assert isinstance(again, Segment) and again.trial == 0


def test_progress_is_not_journaled(make: Make) -> None:
    controller = make()
    segment, _ = running(controller, "ray-0")
    before = controller.run.journal.read_bytes()
    message = Progress("node-1", "cpu", epoch=3, seconds=0.5)
    assert controller.receive("ray-0", message) == "continue"
    assert segment.has_spoken and segment.progress == message
    assert controller.run.journal.read_bytes() == before
    assert controller.state_machine.state.trials[0].epochs == 0


def test_a_trial_that_the_user_stopped_ends_at_its_next_progress(make: Make) -> None:
    controller = make()
    running(controller, "ray-0")
    request_stop(controller.run, 0)
    controller.tick()
    assert controller.receive("ray-0", Progress("node-1", "cpu", epoch=3)) == "stop"
    assert controller.state_machine.state.trials[0].status == "stopped"


def test_a_trial_is_given_up_after_the_workers_it_killed_but_not_for_lost_nodes(make: Make) -> None:
    controller = make()
    controller.settings = replace(controller.settings, give_up_after=2)
    for attempt, why in enumerate(("its node has died", "killed", "killed")):
        running(controller, f"ray-{attempt}")
        assert not events_of(controller, "give_up")
        controller.segment_lost(f"ray-{attempt}", why)
    assert [event.node_left for event in events_of(controller, "lost")] == [True, False, False]
    (given_up,) = events_of(controller, "give_up")
    assert given_up.why == "it killed 2 workers (killed)"
    following = controller.next_segment("ray-9")
    assert isinstance(following, Segment) and following.trial == 1, "the sweep goes on"


def test_a_node_that_loses_segments_of_two_trials_is_set_aside(make: Make) -> None:
    controller = make()
    health = NodeHealth()
    controller.settings = replace(controller.settings, health=health)
    running(controller, "ray-0")
    running(controller, "ray-1")
    controller.tick()
    controller.segment_lost("ray-0", "killed")
    assert not health.is_set_aside("node-a")
    controller.segment_lost("ray-1", "killed")
    assert health.all_set_aside()["node-a"].why == ("lost two segments in a row, of trials 0 and 1")
