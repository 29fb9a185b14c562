"""The driver of a sweep: one process that holds the run directory and lets Ray run segments."""

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from genretune.tune.dispatch.cluster import cluster, cluster_is_open, require_capacity
from genretune.tune.dispatch.driver_job import DriverJob
from genretune.tune.dispatch.messages import SegmentOrder
from genretune.tune.dispatch.nodes import NodeRequirements, Nodes
from genretune.tune.dispatch.run_options import Resources
from genretune.tune.dispatch.signals import Interrupted, StopSignal
from genretune.tune.dispatch.sweep_controller import DriverSettings, SweepController
from genretune.tune.dispatch.trainable import run_segment
from genretune.tune.reproducibility.literals import Level
from genretune.tune.run.journal import Journal
from genretune.tune.run.resume_check import check_environment, last_environment
from genretune.tune.run.stop_requests import discard_drain_requests
from genretune.tune.space.load import space_from_json
from genretune.tune.storage.object_store import ObjectStore
from genretune.tune.storage.run_dir import RunDir
from genretune.tune.storage.s3_run import S3Run
from genretune.tune.sweep.decisions import Segment
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
_OPEN_CLUSTER = (
    "warning: this Ray cluster has no token, so everybody on its network can run code on it "
    "(ray get-auth-token --generate, then start Ray anew on each machine with that token)"
)
Show = Callable[[SweepController], None]
Trainable = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True)
class DriverHooks:
    """What a caller of ``drive`` adds to it.

    Attributes:
        show: displays progress; called about twice a second.
        warn: shows one line to the user.
        prepare: applies the user's changes to the state machine before it runs: an extension,
            trials to give up.
        trainable: runs on a worker in place of training; for benchmarks.
    """

    show: Show
    warn: Callable[[str], None] = lambda line: None
    prepare: Callable[[StateMachine], None] = lambda state_machine: None
    trainable: Trainable = run_segment


def drive(run: RunDir, job: DriverJob, *, stop_signal: StopSignal, hooks: DriverHooks) -> End:
    """Run a sweep from its journal to its end, or to an interruption.

    Args:
        stop_signal: the signals received so far; it raises at once until dispatch begins.

    Raises:
        TuneError: the directory is in use, or the cluster cannot be used.
        Contradiction: two reports of an epoch disagree; the sweep halts.
    """
    options, space = job.options, space_from_json(run.sweep()["space"])
    with run.drive(takeover=options.takeover) as generation, Journal(run.journal) as journal:
        discard_drain_requests(run)
        state_machine = StateMachine(space, journal.events)
        hooks.prepare(state_machine)
        if _finished(state_machine):
            journal.append(state_machine.take_events())
            return "finished"
        try:
            with _join(run, job, journal) as workers:
                if options.address != "local" and cluster_is_open():
                    hooks.warn(_OPEN_CLUSTER)
                stop_signal.install_handlers()  # ray.init has put its own handlers in place
                stop_signal.raise_immediately = False
                state_machine.begin(
                    host=os.uname().nodename, pid=os.getpid(), environment=workers.environment
                )
                journal.append(state_machine.take_events())
                settings = DriverSettings(
                    generation=generation,
                    concurrency=options.concurrency or workers.capacity,
                    io_timeout=options.io_timeout,
                    hang_timeout=options.hang_timeout,
                    keep=options.keep or space.keep,
                    check=stop_signal.check,
                    s3=_claim_s3(run, job, generation),
                )
                controller = SweepController(run, state_machine, journal, settings)
                # Ray Tune has installed its handler of USR1 by then, which would end the sweep
                _dispatch(controller, workers, job, hooks, begin=stop_signal.install_handlers)
                return _end(controller)
        except Interrupted:
            # without a kind it was SIGTERM while Ray, which had its handler then, was starting
            return stop_signal.kind or "terminated"


@dataclass(frozen=True)
class _Workers:
    """Where segments run.

    Attributes:
        environment: what the bits of a result depend on.
        per_trial: resources of a trial, by Ray's names.
        capacity: how many trials it can run at once.
        nodes: None on a single machine.
    """

    environment: dict[str, Any]
    per_trial: dict[str, float]
    capacity: int
    nodes: Nodes | None


@contextmanager
def _join(run: RunDir, job: DriverJob, journal: Journal) -> Iterator[_Workers]:
    """Start or join Ray for a ``with`` block, once the sweep is known to be allowed there.

    Raises:
        RecordMismatch: the environment differs from that of the previous driver.
        TuneError: the cluster cannot be used.
    """
    options, level = job.options, cast(Level, job.level)
    before, environment = last_environment(journal.events), dict(job.environment)
    local = options.address == "local"
    if local:
        check_environment(before, environment, accepted=options.accept_environment)
    resources = options.resources or _default_resources(job)
    per_trial = {"CPU": resources.cpu, "GPU": resources.gpu}
    with cluster(options.address, level=level, gpus=resources.gpu > 0, log=run.driver_log):
        capacity = require_capacity(resources)
        nodes = None
        if not local:
            # on a cluster the workers' machine class counts, which only they can tell
            requirements = NodeRequirements(
                device=job.device, level=job.level, store=job.store, samples=job.samples
            )
            nodes = Nodes(requirements, per_trial)
            nodes.wait_until_ready()
            chosen = nodes.choose_machine_class(
                options.machine_class, allow_mixed=options.allow_mixed
            )
            environment |= {"machine_class": chosen or MIXED}
            check_environment(before, environment, accepted=options.accept_environment)
        yield _Workers(environment, per_trial, capacity, nodes)


def _claim_s3(run: RunDir, job: DriverJob, generation: int) -> S3Run | None:
    """Return the sweep in S3, claimed for this driver; None for the run directory."""
    if job.options.storage is None:
        return None
    s3 = S3Run(run, ObjectStore(job.options.storage))
    s3.claim(generation, [Path(path) for path in job.plugins])
    return s3


def _finished(state_machine: StateMachine) -> bool:
    counts = state_machine.counts(())
    return not any(counts[status] for status in ("running", "paused", "pending"))


def _default_resources(job: DriverJob) -> Resources:
    return Resources(cpu=float(job.threads), gpu=1.0 if job.device == "cuda" else 0.0)


def _end(controller: SweepController) -> End:
    if controller.done is None:
        return "terminated"  # by USR1 in the moment in which Ray Tune had its handler
    if controller.done.reason == "drained" and controller.state_machine.state.draining:
        return "stopped"  # the drain is journaled, so the user asked for it
    return controller.done.reason


def _dispatch(
    controller: SweepController,
    workers: _Workers,
    job: DriverJob,
    hooks: DriverHooks,
    *,
    begin: Callable[[], None],
) -> None:
    """Let Ray Tune run segments until the state machine is done.

    Args:
        begin: called once Ray Tune has installed its signal handlers.

    Raises:
        Interrupted: a signal or a deadline ends the driver before.
    """
    from ray import tune as ray_tune

    from genretune.tune.dispatch.ray_adapters import (
        ControllerCallback,
        SegmentScheduler,
        SegmentSearcher,
        bundle_of,
    )

    def tick() -> None:
        controller.tick()
        if workers.nodes is not None:
            workers.nodes.refresh()
        if job.options.until is not None and time.time() >= job.options.until:
            controller.state_machine.drain()

    def order(segment: Segment) -> SegmentOrder:
        return _order(controller, workers, job, segment)

    # with reused actors Ray keeps only as many pending segments as this lets it
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(controller.settings.concurrency)
    controller.recover()
    with tempfile.TemporaryDirectory(prefix="genretune-") as scratch:
        tuner = ray_tune.Tuner(
            ray_tune.with_resources(hooks.trainable, bundle_of),
            tune_config=ray_tune.TuneConfig(
                search_alg=SegmentSearcher(controller, order),
                scheduler=SegmentScheduler(controller),
                num_samples=-1,
                reuse_actors=True,
            ),
            run_config=ray_tune.RunConfig(
                name="run",
                storage_path=scratch,
                callbacks=[
                    ControllerCallback(
                        controller, begin=begin, tick=tick, show=lambda: hooks.show(controller)
                    )
                ],
                failure_config=ray_tune.FailureConfig(max_failures=0),
                verbose=0,
            ),
        )
        try:
            tuner.fit()
        except Interrupted:
            controller.settings.check()
        if controller.failure is not None:
            raise controller.failure
        hooks.show(controller)


def _order(
    controller: SweepController, workers: _Workers, job: DriverJob, segment: Segment
) -> SegmentOrder:
    """Return the order for a worker that is to run ``segment``."""
    trial, storage = segment.trial, job.options.storage
    lease = controller.lease(trial)
    machine_class, excluded = None, list[str]()
    if workers.nodes is not None:
        # a trial begun on one class stays there, also in a sweep that allows several
        machine_class = workers.nodes.machine_class or controller.machine_class_of(trial)
        excluded = workers.nodes.nodes_outside(machine_class)
    return SegmentOrder(
        trial=trial,
        generation=lease.generation,
        attempt=lease.attempt,
        parameters=dict(segment.parameters),
        seed=segment.seed,
        metric=controller.state_machine.space.metric.name,
        # workers of a sweep in S3 get no directory: a path of theirs may not be the driver's
        run=str(controller.run.path.absolute()) if storage is None else "",
        storage=storage,
        store=job.store,
        plugins=job.plugins,
        io_timeout=lease.io_timeout,
        bundle=workers.per_trial,
        machine_class=machine_class,
        excluded_nodes=tuple(excluded),
    )
