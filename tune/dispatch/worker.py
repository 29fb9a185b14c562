"""What runs on a worker: one segment of one trial, whose epochs are reported to the driver."""

import functools
import math
import os
import platform
import time
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from ray import tune as ray_tune

from genretune.data.store import Store, local_store
from genretune.models.errors import ModelError
from genretune.tune.dispatch.messages import (
    EpochReport,
    Progress,
    Refusal,
    SegmentError,
    SegmentOrder,
    TrialEnd,
    from_json,
    to_json,
)
from genretune.tune.dispatch.trial_inputs import open_workspace, saved_config
from genretune.tune.errors import RefusedEnvironment, RunFailure, TuneError
from genretune.tune.reproducibility.environment import machine_class
from genretune.tune.reproducibility.gpu_memory import (
    empty_gpu_cache,
    limit_gpu_memory,
    peak_memory,
    reset_peak_memory,
)
from genretune.tune.reproducibility.literals import Device, Level
from genretune.tune.storage.run_dir import Lease
from genretune.tune.trial.epoch_saver import CheckpointSchedule
from genretune.tune.trial.error_origin import may_be_infrastructure
from genretune.tune.trial.run_trial import run_trial, summarize_error
from genretune.tune.trial.workspace import TrialWorkspace

_TRANSFER = 120.0  # s that samples may take to reach a node that has just joined
_PROGRESS_INTERVAL = 5.0  # s between two messages to the driver that have no epoch to report


def work(config: Mapping[str, Any]) -> None:
    """Run one segment.

    An error of the trial itself is reported as its end. What is raised here is infrastructure's or
    may be: Ray then ends the process, since a broken GPU context breaks every trial after it, and
    the driver starts the segment again elsewhere.

    Args:
        config: a ``SegmentOrder`` as JSON.
    """
    order = from_json(config)
    if not isinstance(order, SegmentOrder):
        raise RunFailure(f"message to a worker: must be a segment order, got {order}")
    lease = Lease(order.generation, order.attempt, order.io_timeout)
    opened = open_workspace(order.run, order.storage, order.trial, lease, order.plugins)
    with opened as workspace:
        sweep = workspace.sweep
        refusal = _refusal(order, sweep["device"], sweep["determinism"])
        if refusal is not None:
            ray_tune.report(to_json(refusal))
            return
        _prepare_memory(order, sweep["device"])
        store = _store(order.store, sweep["data"]["samples"])
        with open(workspace.trial_dir.path / "stdout.log", "a") as log:
            with redirect_stdout(log), redirect_stderr(log):
                end = _run(order, workspace, store)
        if end.status != "completed":
            workspace.persist_end()
        ray_tune.report(to_json(end))


def _run(order: SegmentOrder, workspace: TrialWorkspace, store: Store) -> TrialEnd:
    """Train, reporting every epoch; return how the trial ended."""

    def report(record: Mapping[str, Any]) -> bool:
        message = EpochReport(
            epoch=record["epoch"],
            value=record[order.metric],
            weights_sha256=record["weights_sha256"],
            seconds=record["seconds"],
        )
        ray_tune.report(to_json(message))  # Ray ends the segment here, by SystemExit
        return True

    folder = workspace.trial_dir
    gpu_share = _gpu_share(order)
    progress = _ProgressReports(workspace.sweep["device"])
    try:
        outcome = run_trial(
            saved_config(workspace, order.parameters, order.seed),
            store,
            folder,
            on_report=report,
            on_trained=progress.on_trained,
            on_step=progress.on_step,
            schedule=CheckpointSchedule(order.checkpoint_every, order.rungs),
            plugins=workspace.plugins,
            gpu_share=gpu_share,
        )
    except (RunFailure, RefusedEnvironment):
        raise
    except Exception as error:
        result = folder.result()
        epochs = len(result["history"]) if result else 0
        is_ours = isinstance(error, TuneError | ModelError)
        why = str(error).splitlines()[0] if is_ours else summarize_error(error)
        if not may_be_infrastructure(error, shares_device=gpu_share < 1.0):
            return TrialEnd("failed", epochs, why)
        process = f"{platform.node()}:{os.getpid()}"
        ray_tune.report(to_json(SegmentError(type(error).__name__, epochs + 1, process, why)))
        raise
    if outcome.status == "interrupted":
        raise RunFailure("a segment must be ended by the driver, got an interruption on the worker")
    return TrialEnd(outcome.status, len(outcome.history), outcome.why)


class _ProgressReports:
    """Tells the driver now and then how far a segment is, and that it trains on."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._epoch, self._seconds = 0, None
        self._due_at = -math.inf

    def on_trained(self, record: Mapping[str, Any]) -> None:
        """Note an epoch that is trained."""
        self._epoch, self._seconds = record["epoch"], record["seconds"]

    def on_step(self) -> None:
        """Send a message if one is due; called before every batch."""
        if time.monotonic() < self._due_at:
            return
        self._due_at = time.monotonic() + _PROGRESS_INTERVAL
        memory = peak_memory(self._device)
        message = Progress(
            host=platform.node(),
            device=self._device,
            epoch=self._epoch,
            seconds=self._seconds,
            device_bytes=memory["device_bytes"],
            process_bytes=memory["process_bytes"],
        )
        ray_tune.report(to_json(message))


def _refusal(order: SegmentOrder, device: Device, level: Level) -> Refusal | None:
    """Return why a node of another machine class must not train: one that has just joined, say."""
    required, found = order.machine_class, machine_class(device, level, _gpu_share(order))
    if required is None or found == required:
        return None
    return Refusal(f"{platform.node()} must be of machine class {required}, got {found}")


def _gpu_share(order: SegmentOrder) -> float:
    """Return the share of each GPU that the segment is granted; 1.0 without a GPU."""
    return min(order.bundle.get("GPU", 0.0), 1.0) or 1.0


def _prepare_memory(order: SegmentOrder, device: Device) -> None:
    """Give the segment its share of the GPU's memory, whatever the process did before."""
    if device == "cuda":
        empty_gpu_cache()
        limit_gpu_memory(_gpu_share(order))
    reset_peak_memory(device)


@functools.lru_cache(maxsize=2)
def _store(path: str, samples: str) -> Store:
    """Open the samples on this node, which may still be on their way to it.

    Raises:
        RunFailure: they do not come.
    """
    end = time.monotonic() + _TRANSFER
    while (store := local_store(Path(path), samples)) is None:
        if time.monotonic() > end:
            raise RunFailure(
                f"{platform.node()}: must have the samples {samples[:12]}..., got none within "
                f"{_TRANSFER:g} s"
            )
        time.sleep(1.0)
    return store
