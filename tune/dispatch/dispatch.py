"""The dispatch of one driver: Ray Tune runs the segments that the controller decides on."""

import os
import tempfile
import time
from collections.abc import Callable, Mapping
from typing import Any

from genretune.tune.dispatch.driver_job import DriverJob
from genretune.tune.dispatch.join import Workers
from genretune.tune.dispatch.messages import SegmentOrder
from genretune.tune.dispatch.monitor import Monitor
from genretune.tune.dispatch.signals import Interrupted
from genretune.tune.dispatch.sweep_controller import SweepController
from genretune.tune.sweep.decisions import Segment

_MAX_PENDING = "100000"
Show = Callable[[SweepController], None]
Trainable = Callable[[Mapping[str, Any]], None]


class Dispatch:
    """What one driver adds to its controller: orders for its workers, and what is due now and then.

    Args:
        workers: where segments run.
    """

    def __init__(self, controller: SweepController, workers: Workers, job: DriverJob) -> None:
        self._controller = controller
        self._workers = workers
        self._job = job
        self._monitor = Monitor(controller, workers.nodes)

    def run(self, trainable: Trainable, show: Show, *, begin: Callable[[], None]) -> None:
        """Let Ray Tune run segments until the state machine is done.

        Args:
            trainable: runs on a worker.
            show: displays progress.
            begin: called once Ray Tune has installed its signal handlers.

        Raises:
            Interrupted: a signal or a deadline ends the driver before.
        """
        controller = self._controller
        # the controller alone limits how many segments are pending; nodes may join later
        os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = _MAX_PENDING
        controller.recover()
        with tempfile.TemporaryDirectory(prefix="genretune-") as scratch:
            try:
                self._tuner(trainable, show, begin, scratch).fit()
            except Interrupted:
                controller.settings.check()
            if controller.failure is not None:
                raise controller.failure
            show(controller)

    def _tuner(
        self, trainable: Trainable, show: Show, begin: Callable[[], None], scratch: str
    ) -> Any:
        from ray import tune as ray_tune

        from genretune.tune.dispatch import ray_adapters

        controller = self._controller
        callback = ray_adapters.ControllerCallback(
            controller, begin=begin, tick=self._tick, show=lambda: show(controller)
        )
        return ray_tune.Tuner(
            ray_tune.with_resources(trainable, ray_adapters.bundle_of),
            tune_config=ray_tune.TuneConfig(
                search_alg=ray_adapters.SegmentSearcher(controller, self._order),
                scheduler=ray_adapters.SegmentScheduler(controller),
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

    def _tick(self) -> None:
        """Do what is due about twice a second."""
        controller, workers, options = self._controller, self._workers, self._job.options
        controller.tick()
        if workers.nodes is not None:
            workers.nodes.refresh()
            # at least one, whose demand an autoscaler sees and a node that comes back takes
            controller.concurrency = options.concurrency or max(1, workers.capacity())
            self._monitor.withdraw_outdated()
        self._monitor.write()
        if options.until is not None and time.time() >= options.until:
            controller.state_machine.drain()

    def _order(self, segment: Segment) -> SegmentOrder:
        """Return the order for a worker that is to run ``segment``."""
        controller, job = self._controller, self._job
        trial, storage = segment.trial, job.options.storage
        lease = controller.lease(trial)
        machine_class, excluded = self._place(trial)
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
            bundle=self._workers.resources.bundle(),
            machine_class=machine_class,
            excluded_nodes=tuple(excluded),
            rungs=controller.state_machine.state.rules.rung_epochs,
            checkpoint_every=job.options.checkpoint_every,
        )

    def _place(self, trial: int) -> tuple[str | None, list[str]]:
        """Return the machine class that a trial is bound to, and the nodes that it must avoid."""
        nodes = self._workers.nodes
        if nodes is None:
            return None, []
        # a trial begun on one class stays there, also in a sweep that allows several
        machine_class = nodes.machine_class or self._controller.machine_class_of(trial)
        excluded = nodes.excluded(machine_class)
        failed = self._controller.errors.nodes(trial)
        if any(node.id not in failed for node in nodes.usable(machine_class)):
            excluded = sorted({*excluded, *failed})  # another node tells whose error it is
        return machine_class, excluded
