"""The driver of a sweep: one process that holds the run directory and lets Ray run segments."""

import os
import tempfile
import time
from collections.abc import Callable
from typing import Any, Literal

from genretune.tune.dispatch.cluster import cluster, require_room
from genretune.tune.dispatch.desk import Desk, Terms
from genretune.tune.dispatch.options import Resources, RunOptions
from genretune.tune.dispatch.signals import Interrupted, Wanted
from genretune.tune.dispatch.watch import Watch
from genretune.tune.environment import environment
from genretune.tune.prepare import Sweep
from genretune.tune.rundir import RunFolder
from genretune.tune.sweep.journal import Journal
from genretune.tune.sweep.machine import Machine

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


def drive(
    run: RunFolder,
    sweep: Sweep,
    options: RunOptions,
    *,
    show: Show,
    wanted: Wanted,
    before: Callable[[Machine], None] = lambda machine: None,
) -> End:
    """Run a sweep from its journal to its end, or to an interruption.

    Args:
        show: called about twice a second with the state of things.
        wanted: the signals so far; ``at_once`` until now.
        before: says to the machine what the user wants (extension, giving trials up).

    Raises:
        TuneError: the directory is in use, or the cluster cannot be used.
        Contradiction: two reports of an epoch disagree; the sweep halts.
    """
    deadline = None if options.seconds is None else time.monotonic() + options.seconds
    with run.drive(takeover=options.takeover) as generation, Journal(run.journal) as journal:
        machine = Machine(sweep.space, journal.events)
        before(machine)
        if _finished(machine):
            journal.append(machine.take())
            return "finished"
        device: Any = sweep.device
        machine.begin(
            host=os.uname().nodename,
            pid=os.getpid(),
            environment=environment(device, sweep.level),
        )
        journal.append(machine.take())
        try:
            with cluster(
                options.address, level=sweep.level, device=sweep.device, log=run.driver_log
            ) as total:
                wanted.install()  # Ray has put its own handler there
                wanted.at_once = False
                resources = options.resources or _usual(sweep)
                require_room(resources)
                terms = Terms(
                    generation=generation,
                    concurrency=options.concurrency or max(1, resources.fits(total)),
                    patience=options.patience,
                    keep=options.keep,
                    check=wanted.check,
                )
                desk = Desk(run, sweep, machine, journal, terms)
                _dispatch(desk, resources, options, deadline=deadline, show=show)
                return _end(desk)
        except Interrupted:
            return wanted.kind or "interrupted"


def _finished(machine: Machine) -> bool:
    counts = machine.counts(())
    return not any(counts[status] for status in ("running", "paused", "pending"))


def _usual(sweep: Sweep) -> Resources:
    threads = sweep.space.trial.get("threads", 1)
    return Resources(
        cpu=float(threads) if isinstance(threads, int) else 1.0,
        gpu=1.0 if sweep.device == "cuda" else 0.0,
    )


def _end(desk: Desk) -> End:
    if desk.done is None:
        return "undecided"
    if desk.done.reason == "drained" and desk.machine.state.draining:
        return "stopped"  # journaled, so the user's own wish
    return desk.done.reason


def _dispatch(
    desk: Desk, resources: Resources, options: RunOptions, *, deadline: float | None, show: Show
) -> None:
    """Let Ray Tune run segments until the machine is done.

    Raises:
        Interrupted: somebody wants it to end before.
    """
    from ray import tune as ray_tune

    from genretune.tune.dispatch.ray_parts import DeskCallback, DeskScheduler, DeskSearcher
    from genretune.tune.dispatch.worker import run_segment

    def look() -> None:
        desk.hear()
        if deadline is not None and time.monotonic() >= deadline:
            desk.machine.drain()

    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(desk.concurrency)
    desk.tidy()
    callback = DeskCallback(desk, look=look, show=lambda: show(desk))
    per_trial = {"cpu": resources.cpu, "gpu": resources.gpu}
    with tempfile.TemporaryDirectory(prefix="genretune-") as scratch:
        tuner = ray_tune.Tuner(
            ray_tune.with_resources(run_segment, per_trial),
            tune_config=ray_tune.TuneConfig(
                search_alg=DeskSearcher(desk, _order(desk)),
                scheduler=DeskScheduler(desk, Watch(options.heartbeat)),
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


def _order(desk: Desk) -> dict[str, Any]:
    """What all orders have in common."""
    return {
        "run": desk.run.path.absolute(),
        "generation": desk.terms.generation,
        "patience": desk.terms.patience,
        "metric": desk.sweep.space.metric.name,
        "store": str(desk.sweep.store.path),
        "plugins": [str(path.absolute()) for path in desk.sweep.plugin_files],
    }
