"""What the driver does beside dispatching: it says what runs, and withdraws outdated segments."""

import logging
import time

from genretune.tune.dispatch.nodes.nodes import Nodes
from genretune.tune.dispatch.running_segments import RunningSegment
from genretune.tune.dispatch.sweep_controller import SweepController
from genretune.tune.run.running import Running, RunningTrial, write_running

log = logging.getLogger("genretune.driver")

_INTERVAL = 2.0  # s between two writes
_PATIENCE = 10.0  # s for which a segment waits for a node before it is worth another order


class Monitor:
    """Watches the segments and nodes of one driver.

    Args:
        nodes: of the cluster; None on a single machine.
    """

    def __init__(self, controller: SweepController, nodes: Nodes | None) -> None:
        self._controller = controller
        self._nodes = nodes
        self._written: Running | None = None
        self._written_at = 0.0
        self._names: set[str] = set()

    def write(self) -> None:
        """Write what runs now for ``status`` and ``results``, if it has changed."""
        now = time.monotonic()
        if now - self._written_at < _INTERVAL:
            return
        self._written_at, running = now, self._running()
        if running == self._written:
            return
        try:
            write_running(self._controller.run, running)
        except OSError:
            return  # what must be written there waits for the storage and says so
        self._log_changes(running)
        self._written = running

    def withdraw_outdated(self) -> None:
        """Withdraw segments that wait for a node while one that they exclude could run them.

        What a segment excludes is fixed when it is ordered: nodes that were not ready then, or were
        set aside.
        """
        if self._nodes is None:
            return
        now = time.monotonic()
        for segment in self._controller.segments:
            waits = segment.handle is not None and not segment.handle.has_worker()
            if waits and now - segment.ordered_at > _PATIENCE and self._is_outdated(segment):
                self._controller.withdraw(segment)

    def _is_outdated(self, segment: RunningSegment) -> bool:
        assert self._nodes is not None
        machine_class = self._nodes.machine_class or self._controller.machine_class_of(
            segment.trial
        )
        usable = {node.id for node in self._nodes.usable(machine_class)}
        usable -= self._controller.errors.nodes(segment.trial)
        return bool(usable & segment.excluded)

    def _running(self) -> Running:
        controller, nodes = self._controller, self._nodes
        segments = sorted(controller.segments, key=lambda segment: segment.trial)
        busy = [one for one in segments if one.handle is not None and one.handle.has_worker()]
        set_aside = {}
        if nodes is not None:
            for node_id, one in nodes.health.all_set_aside().items():
                set_aside[nodes.name(node_id)] = one.why
        return Running(
            generation=controller.settings.generation,
            concurrency=controller.concurrency,
            waiting=tuple(one.trial for one in segments if one not in busy),
            trials=tuple(self._running_trial(one) for one in busy),
            set_aside=set_aside,
        )

    def _running_trial(self, segment: RunningSegment) -> RunningTrial:
        progress = segment.progress
        reported = self._controller.state_machine.state.trials[segment.trial].epochs
        host = progress.host if progress is not None else ""
        if not host and segment.node_id is not None and self._nodes is not None:
            host = self._nodes.name(segment.node_id)
        return RunningTrial(
            trial=segment.trial,
            host=host,
            device="" if progress is None else progress.device,
            epoch=reported if progress is None else max(reported, progress.epoch),
            seconds=None if progress is None else progress.seconds,
            device_bytes=None if progress is None else progress.device_bytes,
            process_bytes=None if progress is None else progress.process_bytes,
        )

    def _log_changes(self, running: Running) -> None:
        before = {} if self._written is None else self._written.set_aside
        for name, why in running.set_aside.items():
            if name not in before:
                log.warning("node %s is set aside: it %s", name, why)
        for name in before:
            if name not in running.set_aside:
                log.info("node %s is tried again", name)
        nodes = [] if self._nodes is None else self._nodes.usable(None)
        names = {node.name for node in nodes}
        for name in sorted(names - self._names):
            log.info("node %s is ready", name)
        for name in sorted(self._names - names):
            log.info("node %s is not used any more", name)
        self._names = names
