"""The driver of a sweep: one process that holds the run directory and lets Ray run segments."""

import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from genretune.tune.dispatch.cluster import cluster_is_open, log_to
from genretune.tune.dispatch.dispatch import Dispatch, Show, Trainable
from genretune.tune.dispatch.driver_job import DriverJob
from genretune.tune.dispatch.driver_settings import DriverSettings
from genretune.tune.dispatch.join import Workers, join
from genretune.tune.dispatch.signals import Interrupted, StopSignal
from genretune.tune.dispatch.sweep_controller import SweepController
from genretune.tune.dispatch.trainable import run_segment
from genretune.tune.run.journal import Journal
from genretune.tune.run.resume_check import last_environment
from genretune.tune.run.stop_requests import discard_drain_requests
from genretune.tune.space.load import space_from_json
from genretune.tune.storage.object_store import ObjectStore
from genretune.tune.storage.run_dir import RunDir
from genretune.tune.storage.s3_run import S3Run
from genretune.tune.sweep.sampler_lag import lag_warning
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
    "(docs/cluster.md, Bare machines, says how to give it one)"
)


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

    The directory of a new sweep is created once the cluster can run it.

    Args:
        stop_signal: the signals received so far; it raises at once until dispatch begins.

    Raises:
        TuneError: the directory is in use, or the cluster cannot be used.
        Contradiction: two reports of an epoch disagree; the sweep halts.
        Interrupted: a signal came before a new sweep had a directory.
    """
    sweep = run.sweep() if job.new_run is None else job.new_run.sweep
    space = space_from_json(sweep["space"])
    try:
        with ExitStack() as stack:
            workers = None
            if job.new_run is not None:
                workers = stack.enter_context(join(job, {}))
                _create(run, job, workers)
            generation = stack.enter_context(run.drive(takeover=job.options.takeover))
            journal = stack.enter_context(Journal(run.journal))
            discard_drain_requests(run)
            state_machine = StateMachine(space, journal.events)
            hooks.prepare(state_machine)
            if _finished(state_machine):
                journal.append(state_machine.take_events())
                return "finished"
            if workers is None:
                workers = stack.enter_context(join(job, last_environment(journal.events)))
            log_to(run.driver_log)
            if job.options.address != "local" and cluster_is_open():
                hooks.warn(_OPEN_CLUSTER)
            if warning := workers.memory_warning(job.peak_memory):
                hooks.warn(warning)
            stop_signal.install_handlers()  # ray.init has put its own handlers in place
            stop_signal.raise_immediately = False
            state_machine.begin(
                host=os.uname().nodename, pid=os.getpid(), environment=workers.environment
            )
            journal.append(state_machine.take_events())
            settings = _settings(run, job, workers, generation, state_machine, stop_signal)
            if warning := lag_warning(state_machine.state.rules.lag, settings.concurrency):
                hooks.warn(f"warning: {warning}")
            controller = SweepController(run, state_machine, journal, settings)
            dispatch = Dispatch(controller, workers, job)
            dispatch.run(hooks.trainable, hooks.show, begin=stop_signal.install_handlers)
            return _end(controller)
    except (Interrupted, SystemError) as error:
        if stop_signal.kind is None and isinstance(error, SystemError):
            raise  # Ray makes one of an exception of a signal handler, but this is none
        # without a kind it was SIGTERM while Ray, which had its handler then, was starting
        stop_signal.kind = stop_signal.kind or "terminated"
        if not run.sweep_json.exists():
            raise Interrupted from None
        return stop_signal.kind


def _create(run: RunDir, job: DriverJob, workers: Workers) -> None:
    """Create the directory of a new sweep."""
    assert job.new_run is not None
    sweep = {**job.new_run.sweep, "environment": workers.environment}
    run.create(job.new_run.space_text, sweep, job.options.storage)


def _settings(
    run: RunDir,
    job: DriverJob,
    workers: Workers,
    generation: int,
    state_machine: StateMachine,
    stop_signal: StopSignal,
) -> DriverSettings:
    options, nodes = job.options, workers.nodes
    settings = DriverSettings(
        generation=generation,
        concurrency=options.concurrency or max(1, workers.capacity()),
        io_timeout=options.io_timeout,
        hang_timeout=options.hang_timeout,
        keep=options.keep or state_machine.space.keep,
        check=stop_signal.check,
        s3=_claim_s3(run, job, generation),
        give_up_after=options.give_up_after,
    )
    if nodes is None:
        return settings
    return replace(
        settings,
        health=nodes.health,
        usable_nodes=lambda machine_class: len(nodes.usable(machine_class)),
        is_alive=nodes.is_alive,
    )


def _claim_s3(run: RunDir, job: DriverJob, generation: int) -> S3Run | None:
    """Return the sweep in S3, claimed for this driver; None for the run directory."""
    if job.options.storage is None:
        return None
    s3 = S3Run(run, ObjectStore(job.options.storage))
    s3.claim(generation, [Path(path) for path in job.plugins])
    return s3


def _finished(state_machine: StateMachine) -> bool:
    counts = state_machine.counts(())
    return not any(counts[status] for status in ("paused", "pending"))


def _end(controller: SweepController) -> End:
    if controller.done is None:
        return "terminated"  # by USR1 in the moment in which Ray Tune had its handler
    if controller.done.reason == "drained" and controller.state_machine.state.draining:
        return "stopped"  # the drain is journaled, so the user asked for it
    return controller.done.reason
