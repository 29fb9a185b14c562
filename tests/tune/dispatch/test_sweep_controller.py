"""The desk without Ray: who is busy, what is lost, and what storage does to the journal."""

import errno
import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from genretune.tune.dispatch.sweep_controller import DriverSettings, SweepController
from genretune.tune.errors import RunFailure
from genretune.tune.run.journal import Journal, read_journal
from genretune.tune.run.stop_requests import ask_to_stop, forget_drains
from genretune.tune.space.load import space_from_text
from genretune.tune.storage.atomic_io import StorageFailure
from genretune.tune.storage.object_store import ObjectStore
from genretune.tune.storage.run_dir import Replaced, RunDir
from genretune.tune.storage.s3_run import S3Run, object_name
from genretune.tune.sweep.decisions import Done, Segment
from genretune.tune.sweep.state_machine import StateMachine
from tests.s3_server import S3
from tests.spaces import tiny_space

SPACE = tiny_space(2)
MakeDesk = Callable[..., SweepController]


@pytest.fixture
def make_desk(tmp_path: Path) -> MakeDesk:
    run = RunDir(tmp_path / "run")
    run.create(SPACE, {"version": 1})

    def make(patience: float = 0.0) -> SweepController:
        journal = Journal(run.journal)
        state_machine = StateMachine(space_from_text(SPACE, "tiny.yaml", []), journal.events)
        state_machine.begin(host="here", pid=1, environment={})
        return SweepController(run, state_machine, journal, DriverSettings(1, 2, patience=patience))

    return make


def epoch(number: int, value: float = 1.0) -> dict[str, object]:
    return {"epoch": number, "value": value, "weights_sha256": f"{number}", "seconds": 0.1}


def end(epochs: int) -> dict[str, object]:
    return {"ended": "completed", "epochs": epochs, "why": "all epochs"}


def test_what_is_answered_is_in_the_journal_before(make_desk: MakeDesk) -> None:
    controller = make_desk()
    first = controller.next_order("ray-0")
    assert isinstance(first, Segment) and first.trial == 0
    kinds = [event.event for event in read_journal(controller.run.journal)]
    assert kinds == ["driver", "created"]
    assert isinstance(controller.next_order("ray-1"), Segment)
    assert controller.next_order("ray-2") == "wait", "no more than the concurrency at once"
    assert controller.reported(0, "ray-0", epoch(1)) == "continue"
    assert (controller.epochs, controller.longest) == (1, 0.1)
    assert read_journal(controller.run.journal)[-1].event == "report"


def test_a_lost_segment_comes_again_first_and_its_late_words_are_void(make_desk: MakeDesk) -> None:
    controller = make_desk()
    controller.next_order("ray-0")
    controller.next_order("ray-1")
    controller.run.trial_path(0).mkdir(parents=True)
    before = controller.lease(0)
    controller.lost(0, "ray-0", "node lost")
    controller.lost(0, "ray-0", "node lost")  # Ray says it twice
    assert [e.event for e in read_journal(controller.run.journal)].count("lost") == 1
    assert controller.reported(0, "ray-0", epoch(1)) == "stop"
    again = controller.next_order("ray-2")
    assert isinstance(again, Segment) and again.trial == 0
    assert controller.lease(0).attempt == before.attempt + 1
    controller.over(0, "ray-0")  # the old worker lets go at last
    assert controller.busy[0] == "ray-2"
    assert controller.reported(0, "ray-2", epoch(1)) == "continue"


def test_the_end_and_a_status_that_nobody_may_claim(make_desk: MakeDesk) -> None:
    controller = make_desk()
    for trial in range(3):
        name = f"ray-{trial}"
        controller.next_order(name)
        for number in (1, 2):
            controller.reported(trial, name, epoch(number))
        with pytest.raises(RunFailure, match="said it ended as stopped"):
            controller.reported(trial, name, end(2) | {"ended": "stopped"})
        assert controller.reported(trial, name, end(2)) == "stop"
        controller.over(trial, name)
    done = controller.next_order("ray-9")
    assert isinstance(done, Done) and done.reason == "finished" and controller.done == done


def test_a_full_disk_leaves_the_journal_whole(
    make_desk: MakeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    controller = make_desk(patience=5.0)
    controller.next_order("ray-0")
    import os

    write, refusals = os.write, [2]

    def full(file: int, data: bytes) -> int:
        if refusals[0]:
            refusals[0] -= 1
            write(file, bytes(data)[:7])  # a part of it went through
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(file, data)

    monkeypatch.setattr("genretune.tune.run.journal.os.write", full)
    assert controller.reported(0, "ray-0", epoch(1)) == "continue"
    assert refusals == [0]
    assert [e.event for e in read_journal(controller.run.journal)] == [
        "driver",
        "created",
        "report",
    ]

    controller = make_desk(patience=0.0)
    refusals[0] = 1
    with pytest.raises(StorageFailure, match="No space left on device .free or mount"):
        controller.next_order("ray-1")


def test_requests_are_heard_and_old_drains_are_not(make_desk: MakeDesk) -> None:
    controller = make_desk()
    controller.next_order("ray-0")
    path = ask_to_stop(controller.run, 0)
    (path.parent / "0-nonsense.json").write_text("{")
    controller.hear()
    assert not path.exists()
    assert controller.reported(0, "ray-0", epoch(1)) == "stop"
    drain = ask_to_stop(controller.run, None)
    forget_drains(controller.run)  # as a new driver does first: it was meant for the one before
    assert not drain.exists() and not controller.state_machine.draining
    ask_to_stop(controller.run, None)
    controller.tidy()  # once Ray has started; what was asked meanwhile is this driver's
    controller.hear()
    controller.over(0, "ray-0")
    done = controller.next_order("ray-1")
    assert isinstance(done, Done) and done.reason == "drained"


def test_a_driver_that_was_replaced_writes_nothing_more(make_desk: MakeDesk) -> None:
    controller = make_desk()
    controller.next_order("ray-0")
    before = controller.run.journal.read_bytes()
    holder = {"generation": 2, "pid": 1, "host": "elsewhere", "started": 0.0}
    controller.run.driver_json.write_text(json.dumps(holder))
    with pytest.raises(Replaced, match="driver 1 was replaced by 2"):
        controller.reported(0, "ray-0", epoch(1))
    assert controller.run.journal.read_bytes() == before


def test_a_worker_lost_before_it_made_its_folder_is_fenced_too(make_desk: MakeDesk) -> None:
    controller = make_desk()
    controller.next_order("ray-0")
    old = controller.lease(0)
    assert not controller.run.trial_path(0).exists()
    controller.lost(0, "ray-0", "silent")
    controller.run.driver_json.write_text('{"generation": 1, "pid": null}')
    with pytest.raises(Replaced, match="segment of trial 0 was given up"):
        controller.run.check_lease(0, old)
    controller.run.check_lease(0, controller.lease(0))


def test_the_record_of_a_stopped_trial_says_so_and_its_checkpoints_go(make_desk: MakeDesk) -> None:
    controller = make_desk()
    controller.next_order("ray-0")
    folder = controller.run.trial_path(0)
    (folder / "checkpoints").mkdir(parents=True)
    for name in ("00001", "00002", "best"):
        (folder / "checkpoints" / f"{name}.safetensors").write_text("x")
    (folder / "result.json").write_text('{"status": "running", "why": null, "history": []}')
    ask_to_stop(controller.run, 0)
    controller.hear()
    record = json.loads((folder / "result.json").read_text())
    assert (record["status"], record["why"]) == ("stopped", "stopped by the user after epoch 0")
    assert list((folder / "checkpoints").iterdir()) == []


def test_a_new_driver_brings_what_lies_in_s3(make_desk: MakeDesk, s3: S3) -> None:
    controller = make_desk()
    remote = S3Run(controller.run, ObjectStore(s3.uri("desk")))
    controller.terms = replace(controller.terms, remote=remote)
    controller.next_order("ray-0")
    controller.next_order("ray-1")
    result = {"segments": [{"environment": {"machine_class": "a class"}}]}
    for trial in (0, 1):
        bundle = io.BytesIO()
        with zipfile.ZipFile(bundle, "w") as file:
            file.writestr("result.json", json.dumps(result))
        ObjectStore(s3.uri("desk")).put(object_name(trial, 1, 1, 0), bundle.getvalue())
    assert controller.begun_on(0) is None
    controller.lost(0, "ray-0", "node lost")
    assert controller.begun_on(0) == "a class", (
        "it stays there, though it was lost in its first segment"
    )
    assert controller.begun_on(1) is None
    controller.tidy()
    assert controller.begun_on(1) == "a class"
