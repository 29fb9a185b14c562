"""The driver of a sweep: one process that holds the run directory and lets Ray run segments."""

import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any, Literal

from genretune.tune.dispatch.cluster import Resources, cluster, require_room
from genretune.tune.dispatch.desk import Desk
from genretune.tune.environment import environment
from genretune.tune.prepare import Sweep
from genretune.tune.rundir import RunFolder
from genretune.tune.sweep.journal import Journal
from genretune.tune.sweep.machine import Machine

End = Literal["finished", "undecided", "drained", "interrupted", "terminated"]
EXIT_CODES: dict[End, int] = {
    "finished": 0,
    "undecided": 3,
    "drained": 75,
    "terminated": 75,
    "interrupted": 130,
}
Show = Callable[[Desk], None]


@dataclass(frozen=True)
class RunOptions:
    """How a sweep is run; nothing here changes a result.

    Attributes:
        address: ``local``, ``auto`` or ``HOST:PORT``.
        concurrency: trials at once; None for as many as fit.
        resources: of one trial; None for its threads, and a GPU where it trains on one.
        takeover: take the run directory from a driver on another host.
    """

    address: str = "local"
    concurrency: int | None = None
    resources: Resources | None = None
    takeover: bool = False


def drive(
    run: RunFolder,
    sweep: Sweep,
    options: RunOptions,
    *,
    show: Show,
    before: Callable[[Machine], None] = lambda machine: None,
) -> End:
    """Run a sweep from its journal to its end, or to an interruption.

    Args:
        show: called about twice a second with the state of things.
        before: says to the machine what the user wants (extension, giving trials up).

    Raises:
        TuneError: the directory is in use, or the cluster cannot be used.
        Contradiction: two reports of an epoch disagree; the sweep halts.
    """
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
        with cluster(
            options.address, level=sweep.level, device=sweep.device, log=run.driver_log
        ) as total:
            resources = options.resources or _usual(sweep)
            require_room(resources)
            concurrency = options.concurrency or max(1, resources.fits(total))
            desk = Desk(
                run, sweep, machine, journal, generation=generation, concurrency=concurrency
            )
            return _dispatch(desk, resources, show)


def _finished(machine: Machine) -> bool:
    counts = machine.counts(())
    return not any(counts[status] for status in ("running", "paused", "pending"))


def _usual(sweep: Sweep) -> Resources:
    threads = sweep.space.trial.get("threads", 1)
    return Resources(
        cpu=float(threads) if isinstance(threads, int) else 1.0,
        gpu=1.0 if sweep.device == "cuda" else 0.0,
    )


def _dispatch(desk: Desk, resources: Resources, show: Show) -> End:
    """Let Ray Tune run segments until the machine is done, or somebody wants it to end."""
    from ray import tune as ray_tune

    from genretune.tune.dispatch.ray_parts import (
        DeskCallback,
        DeskScheduler,
        DeskSearcher,
        Interrupted,
    )
    from genretune.tune.dispatch.worker import run_segment

    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(desk.concurrency)
    order = {
        "run": desk.run.path.absolute(),
        "generation": desk.generation,
        "metric": desk.sweep.space.metric.name,
        "store": str(desk.sweep.store.path),
        "plugins": [str(path.absolute()) for path in desk.sweep.plugin_files],
    }
    per_trial = {"cpu": resources.cpu, "gpu": resources.gpu}
    with tempfile.TemporaryDirectory(prefix="genretune-") as scratch, _signals() as wanted:
        callback = DeskCallback(
            desk, wanted=lambda: wanted.kind is not None, show=lambda: show(desk)
        )
        tuner = ray_tune.Tuner(
            ray_tune.with_resources(run_segment, per_trial),
            tune_config=ray_tune.TuneConfig(
                search_alg=DeskSearcher(desk, order),
                scheduler=DeskScheduler(desk),
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
            pass
        if desk.failure is not None:
            raise desk.failure
        show(desk)
        if wanted.kind is not None:
            return wanted.kind
        return "undecided" if desk.done is None else desk.done.reason


class _Wanted:
    """The end that a signal asked for."""

    kind: Literal["interrupted", "terminated"] | None = None


@contextmanager
def _signals() -> Iterator[_Wanted]:
    """Note SIGINT, SIGTERM and SIGUSR1 instead of dying of them; the second one ends at once."""
    wanted = _Wanted()

    def note(number: int, frame: FrameType | None) -> None:
        if wanted.kind is not None:
            os._exit(130 if number == signal.SIGINT else 75)
        wanted.kind = "interrupted" if number == signal.SIGINT else "terminated"

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
    before = {number: signal.signal(number, note) for number in numbers}
    try:
        yield wanted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
