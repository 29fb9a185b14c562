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
from genretune.tune.dispatch.driver_job import Job
from genretune.tune.dispatch.hang_detector import Watch
from genretune.tune.dispatch.nodes import Nodes, Wants
from genretune.tune.dispatch.run_options import Resources
from genretune.tune.dispatch.signals import Interrupted, Wanted
from genretune.tune.dispatch.sweep_controller import Desk, Terms
from genretune.tune.dispatch.trainable import run_segment
from genretune.tune.reproducibility.determinism_env import Level
from genretune.tune.run.journal import Journal
from genretune.tune.run.resume_check import check_environment, last_environment
from genretune.tune.run.stop_requests import forget_drains
from genretune.tune.space.load import space_from_json
from genretune.tune.storage.object_store import Objects
from genretune.tune.storage.run_dir import RunFolder
from genretune.tune.storage.s3_run import RemoteRun
from genretune.tune.sweep.events import MIXED
from genretune.tune.sweep.state_machine import Machine

End = Literal["finished", "undecided", "drained", "stopped", "interrupted", "terminated"]
EXIT_CODES: dict[End, int] = {
    "finished": 0,
    "stopped": 0,
    "undecided": 3,
    "drained": 75,
    "terminated": 75,
    "interrupted": 130,
}
Show = Callable[[Desk], None]
Segment = Callable[[Mapping[str, Any]], None]


def drive(
    run: RunFolder,
    job: Job,
    *,
    show: Show,
    wanted: Wanted,
    before: Callable[[Machine], None] = lambda machine: None,
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
        machine = Machine(space, journal.events)
        before(machine)
        if _finished(machine):
            journal.append(machine.take())
            return "finished"
        try:
            with _joined(run, job, journal) as place:
                wanted.install()  # Ray has put its own handler there
                wanted.at_once = False
                machine.begin(
                    host=os.uname().nodename, pid=os.getpid(), environment=place.environment
                )
                journal.append(machine.take())
                terms = Terms(
                    generation=generation,
                    concurrency=options.concurrency or place.room,
                    patience=options.patience,
                    keep=options.keep or space.keep,
                    check=wanted.check,
                    remote=_remote(run, job, generation),
                )
                desk = Desk(run, machine, journal, terms)
                _dispatch(desk, place, job, show=show, segment=segment or run_segment)
                return _end(desk)
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
def _joined(run: RunFolder, job: Job, journal: Journal) -> Iterator[_Place]:
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
            wants = Wants(device=job.device, level=job.level, store=job.store, samples=job.samples)
            nodes = Nodes(wants, per_trial)
            nodes.wait()
            chosen = nodes.choose(options.machine_class, options.allow_mixed)
            here |= {"machine_class": chosen or MIXED}
            check_environment(before, here, accepted=options.accept_environment)
        yield _Place(here, per_trial, room, nodes)


def _remote(run: RunFolder, job: Job, generation: int) -> RemoteRun | None:
    """Where checkpoints and records lie, held by this driver; None for the run directory."""
    if job.options.storage is None:
        return None
    remote = RemoteRun(run, Objects(job.options.storage))
    remote.begin(generation, [Path(path) for path in job.plugins])
    return remote


def _finished(machine: Machine) -> bool:
    counts = machine.counts(())
    return not any(counts[status] for status in ("running", "paused", "pending"))


def _usual(job: Job) -> Resources:
    return Resources(cpu=float(job.threads), gpu=1.0 if job.device == "cuda" else 0.0)


def _end(desk: Desk) -> End:
    if desk.done is None:
        return "undecided"
    if desk.done.reason == "drained" and desk.machine.state.draining:
        return "stopped"  # journaled, so the user's own wish
    return desk.done.reason


def _dispatch(desk: Desk, place: _Place, job: Job, *, show: Show, segment: Segment) -> None:
    """Let Ray Tune run segments until the machine is done.

    Raises:
        Interrupted: somebody wants it to end before.
    """
    from ray import tune as ray_tune

    from genretune.tune.dispatch.ray_adapters import (
        DeskCallback,
        DeskScheduler,
        DeskSearcher,
        bundle_of,
    )

    until = job.options.until

    def look() -> None:
        desk.hear()
        if place.nodes is not None:
            place.nodes.look()
        if until is not None and time.time() >= until:
            desk.machine.drain()

    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(desk.concurrency)
    desk.tidy()
    callback = DeskCallback(desk, look=look, show=lambda: show(desk))
    where = partial(_where, desk, place.nodes)
    order = _order(desk, job) | {"bundle": place.per_trial}
    with tempfile.TemporaryDirectory(prefix="genretune-") as scratch:
        tuner = ray_tune.Tuner(
            ray_tune.with_resources(segment, bundle_of),
            tune_config=ray_tune.TuneConfig(
                search_alg=DeskSearcher(desk, order, where),
                scheduler=DeskScheduler(desk, Watch(job.options.heartbeat)),
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
            desk.terms.check()
        if desk.failure is not None:
            raise desk.failure
        show(desk)


def _where(desk: Desk, nodes: Nodes | None, trial: int) -> dict[str, Any]:
    """The machine class that a trial keeps to, and the nodes that are not of it."""
    if nodes is None:
        return {}
    wanted = nodes.chosen or desk.begun_on(trial)
    return {"machine_class": wanted, "not_on": nodes.foreign(wanted)}


def _order(desk: Desk, job: Job) -> dict[str, Any]:
    """What all orders have in common."""
    storage = job.options.storage
    return {
        # workers of a sweep in S3 are told of no directory: none of theirs may be the driver's
        "run": desk.run.path.absolute() if storage is None else "",
        "storage": storage,
        "generation": desk.terms.generation,
        "patience": desk.terms.patience,
        "metric": desk.machine.space.metric.name,
        "store": job.store,
        "plugins": list(job.plugins),
    }
