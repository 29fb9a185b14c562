"""The driver of a sweep: one process that holds the run directory and lets Ray run segments."""

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast

from genretune.tune.dispatch.cluster import cluster, require_room
from genretune.tune.dispatch.driver_job import DriverJob
from genretune.tune.dispatch.hang_detector import HangDetector
from genretune.tune.dispatch.nodes import NodeRequirements, Nodes
from genretune.tune.dispatch.run_options import Resources
from genretune.tune.dispatch.signals import Interrupted, StopSignal
from genretune.tune.dispatch.sweep_controller import DriverSettings, SweepController
from genretune.tune.dispatch.trainable import run_segment
from genretune.tune.reproducibility.literals import Level
from genretune.tune.run.journal import Journal
from genretune.tune.run.resume_check import check_environment, last_environment
from genretune.tune.run.stop_requests import forget_drains
from genretune.tune.space.load import space_from_json
from genretune.tune.storage.object_store import ObjectStore
from genretune.tune.storage.run_dir import RunDir
from genretune.tune.storage.s3_run import S3Run
from genretune.tune.sweep.events import MIXED
from genretune.tune.sweep.state_machine import StateMachine

End = Literal["finished", "undecided", "drained", "stopped", "interrupted", "terminated"]
EXIT_CODES: dict[End, int] = {
    "finished": 0,
    "stopped": 0,
    "undecided": 3,
    "drained": 75,
    "terminated": 75,
    "interrupted": 130,
}
Show = Callable[[SweepController], None]
Segment = Callable[[Mapping[str, Any]], None]


def drive(
    run: RunDir,
    job: DriverJob,
    *,
    show: Show,
    wanted: StopSignal,
    before: Callable[[StateMachine], None] = lambda state_machine: None,
    segment: Segment | None = None,
) -> End:
    """Run a sweep from its journal to its end, or to an interruption.

    Args:
        show: called about twice a second with the state of things.
        wanted: the signals so far; ``at_once`` until now.
        before: says to the machine what the user wants (extension, giving trials up).
        segment: what runs on a worker, in place of training: for benchmarks.

    Raises:
        TuneError: the directory is in use, or the cluster cannot be used.
        Contradiction: two reports of an epoch disagree; the sweep halts.
    """
    options, space = job.options, space_from_json(run.sweep()["space"])
    with run.drive(takeover=options.takeover) as generation, Journal(run.journal) as journal:
        forget_drains(run)
        state_machine = StateMachine(space, journal.events)
        before(state_machine)
        if _finished(state_machine):
            journal.append(state_machine.take())
            return "finished"
        try:
            with _joined(run, job, journal) as place:
                wanted.install()  # Ray has put its own handler there
                wanted.at_once = False
                state_machine.begin(
                    host=os.uname().nodename, pid=os.getpid(), environment=place.environment
                )
                journal.append(state_machine.take())
                terms = DriverSettings(
                    generation=generation,
                    concurrency=options.concurrency or place.room,
                    patience=options.patience,
                    keep=options.keep or space.keep,
                    check=wanted.check,
                    remote=_remote(run, job, generation),
                )
                controller = SweepController(run, state_machine, journal, terms)
                _dispatch(controller, place, job, show=show, segment=segment or run_segment)
                return _end(controller)
        except Interrupted:
            return wanted.kind or "terminated"  # Ray had SIGTERM's handler while it started


@dataclass(frozen=True)
class _Place:
    """Where segments run.

    Attributes:
        environment: what bits depend on.
        per_trial: resources by Ray's names.
        room: trials at once.
        nodes: None on one machine of our own.
    """

    environment: dict[str, Any]
    per_trial: dict[str, float]
    room: int
    nodes: Nodes | None


@contextmanager
def _joined(run: RunDir, job: DriverJob, journal: Journal) -> Iterator[_Place]:
    """Ray for a ``with`` block, once it is known that the sweep may go on there.

    Raises:
        RecordMismatch: the environment is not that of the driver before.
        TuneError: the cluster cannot be used.
    """
    options, level = job.options, cast(Level, job.level)
    before, here = last_environment(journal.events), dict(job.environment)
    local = options.address == "local"
    if local:
        check_environment(before, here, accepted=options.accept_environment)
    resources = options.resources or _usual(job)
    per_trial = {"CPU": resources.cpu, "GPU": resources.gpu}
    gpus = resources.gpu > 0
    with cluster(options.address, level=level, gpus=gpus, log=run.driver_log):
        room = require_room(resources)
        nodes = None
        if not local:
            wants = NodeRequirements(
                device=job.device, level=job.level, store=job.store, samples=job.samples
            )
            nodes = Nodes(wants, per_trial)
            nodes.wait()
            chosen = nodes.choose(options.machine_class, options.allow_mixed)
            here |= {"machine_class": chosen or MIXED}
            check_environment(before, here, accepted=options.accept_environment)
        yield _Place(here, per_trial, room, nodes)


def _remote(run: RunDir, job: DriverJob, generation: int) -> S3Run | None:
    """Where checkpoints and records lie, held by this driver; None for the run directory."""
    if job.options.storage is None:
        return None
    remote = S3Run(run, ObjectStore(job.options.storage))
    remote.begin(generation, [Path(path) for path in job.plugins])
    return remote


def _finished(state_machine: StateMachine) -> bool:
    counts = state_machine.counts(())
    return not any(counts[status] for status in ("running", "paused", "pending"))


def _usual(job: DriverJob) -> Resources:
    return Resources(cpu=float(job.threads), gpu=1.0 if job.device == "cuda" else 0.0)


def _end(controller: SweepController) -> End:
    if controller.done is None:
        return "undecided"
    if controller.done.reason == "drained" and controller.state_machine.state.draining:
        return "stopped"  # journaled, so the user's own wish
    return controller.done.reason


def _dispatch(
    controller: SweepController, place: _Place, job: DriverJob, *, show: Show, segment: Segment
) -> None:
    """Let Ray Tune run segments until the machine is done.

    Raises:
        Interrupted: somebody wants it to end before.
    """
    from ray import tune as ray_tune

    from genretune.tune.dispatch.ray_adapters import (
        ControllerCallback,
        SegmentScheduler,
        SegmentSearcher,
        bundle_of,
    )

    until = job.options.until

    def look() -> None:
        controller.hear()
        if place.nodes is not None:
            place.nodes.look()
        if until is not None and time.time() >= until:
            controller.state_machine.drain()

    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(controller.concurrency)
    controller.tidy()
    callback = ControllerCallback(controller, look=look, show=lambda: show(controller))
    where = partial(_where, controller, place.nodes)
    order = _order(controller, job) | {"bundle": place.per_trial}
    with tempfile.TemporaryDirectory(prefix="genretune-") as scratch:
        tuner = ray_tune.Tuner(
            ray_tune.with_resources(segment, bundle_of),
            tune_config=ray_tune.TuneConfig(
                search_alg=SegmentSearcher(controller, order, where),
                scheduler=SegmentScheduler(controller, HangDetector(job.options.heartbeat)),
                num_samples=-1,
                reuse_actors=True,
            ),
            run_config=ray_tune.RunConfig(
                name="run",
                storage_path=scratch,
                callbacks=[callback],
                failure_config=ray_tune.FailureConfig(max_failures=0),
                verbose=0,
            ),
        )
        try:
            tuner.fit()
        except Interrupted:
            controller.terms.check()
        if controller.failure is not None:
            raise controller.failure
        show(controller)


def _where(controller: SweepController, nodes: Nodes | None, trial: int) -> dict[str, Any]:
    """The machine class that a trial keeps to, and the nodes that are not of it."""
    if nodes is None:
        return {}
    wanted = nodes.chosen or controller.begun_on(trial)
    return {"machine_class": wanted, "not_on": nodes.foreign(wanted)}


def _order(controller: SweepController, job: DriverJob) -> dict[str, Any]:
    """What all orders have in common."""
    storage = job.options.storage
    return {
        # workers of a sweep in S3 are told of no directory: none of theirs may be the driver's
        "run": controller.run.path.absolute() if storage is None else "",
        "storage": storage,
        "generation": controller.terms.generation,
        "patience": controller.terms.patience,
        "metric": controller.state_machine.space.metric.name,
        "store": job.store,
        "plugins": list(job.plugins),
    }
