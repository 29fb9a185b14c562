"""What ``search`` and ``resume`` share: checks of an existing run, and the exec of the driver."""

import os
import signal
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NoReturn

from genretune.tune.dispatch.driver_job import DriverJob
from genretune.tune.dispatch.run_options import Resources, RunOptions
from genretune.tune.dispatch.signals import HANDLED_SIGNALS
from genretune.tune.errors import TuneError
from genretune.tune.reproducibility.environment import (
    available_device,
    environment,
    require_device,
)
from genretune.tune.reproducibility.literals import Device, Level
from genretune.tune.run.journal import read_events
from genretune.tune.run.resume_check import last_environment
from genretune.tune.run.sweep_setup import Sweep, add_location
from genretune.tune.space.load import changed_keys, space_from_json, space_from_text
from genretune.tune.space.settings import Keep
from genretune.tune.space.space import Space
from genretune.tune.storage.object_store import ObjectStore
from genretune.tune.storage.run_dir import RunDir
from genretune.tune.storage.s3_run import S3Run
from genretune.tune.storage.untrusted import read_text


def check_trials(trials: str | None) -> None:
    """Raise TuneError if ``--trials`` of ``resume`` is invalid."""
    if trials is not None and not trials.removeprefix("+").isdecimal():
        raise TuneError(f"--trials: must be a number (50) or an increment (+30), got {trials}")


def check_unedited(run: RunDir, saved: Mapping[str, Any]) -> Keep | None:
    """Check that ``space.yaml`` is as the sweep began; return its ``keep``, which may be edited.

    Raises:
        TuneError: a key that changes results was edited.
    """
    try:
        text = read_text(run.space_yaml)
    except OSError:
        return None  # sweep.json holds all of it and is authoritative
    now = space_from_text(text, str(run.space_yaml), saved["overrides"])
    changed = changed_keys(space_from_json(saved["space"]), now)
    if not changed:
        return now.keep
    raise TuneError(
        f"{run.space_yaml}: must not change during a sweep, got changes in "
        f"{', '.join(changed)} (restore it, or start another search)"
    )


def storage_of(run: RunDir, storage: str | None) -> str | None:
    """Return the URI of a sweep's checkpoints and records in S3; None for the run directory.

    Args:
        storage: ``--storage``: where they are now, if they were moved.

    Raises:
        TuneError: they were never in S3.
    """
    before = run.storage()
    if storage is None:
        return before
    if before is None:
        raise TuneError(
            f"--storage: must be set when a search starts, got {storage} for a sweep that has its "
            f"checkpoints in {run.path} (omit it)"
        )
    objects = ObjectStore(storage)
    if objects.get("sweep.json") is None:
        raise TuneError(f"--storage: must hold this sweep, got {storage} without a sweep.json")
    S3Run(run, objects).require_same_sweep()
    run.set_storage(storage)
    return storage


def sweep_device(space: Space, options: RunOptions) -> Device:
    """Return the device that the trials of a new sweep train on.

    Raises:
        TuneError: nothing tells it, it contradicts the resources, or this machine lacks it.
    """
    setting = str(space.trial.get("device", "auto"))
    try:
        device = options.device(setting, available_device)
        if options.address == "local":
            require_device(device)
    except TuneError as error:
        raise TuneError(add_location(space, str(error))) from None
    return device


def driver_job(run: RunDir, sweep: Sweep, options: RunOptions, **changes: Any) -> DriverJob:
    """Return the job of driving a sweep.

    Args:
        changes: further fields of the job: ``new_run``, ``peak_memory``, ``trials``, ``give_up``,
            ``strict_exit``.
    """
    device: Any = sweep.device
    resources = _resources(run, sweep, options)
    return DriverJob(
        run=str(run.path),
        device=sweep.device,
        level=sweep.level,
        resources=resources,
        store=str(sweep.store.path.absolute()),
        samples=sweep.data["samples"],
        plugins=tuple(str(path.absolute()) for path in sweep.plugin_files),
        environment=_environment(device, sweep.level, resources.gpu_share, options),
        options=options,
        **changes,
    )


def _resources(run: RunDir, sweep: Sweep, options: RunOptions) -> Resources:
    """Return the resources of a trial; a resume keeps the share of a GPU, of the machine class.

    Raises:
        TuneError: they contradict the device.
    """
    asked = options.resources or Resources()
    options.device(sweep.device, available_device)
    if asked.gpu is None and sweep.device == "cuda" and run.journal.exists():
        share = last_environment(read_events(run)).get("gpu_share")
        asked = replace(asked, gpu=share) if isinstance(share, float) else asked
    return asked.resolved(sweep.device, sweep.threads)


def _environment(
    device: Device, level: Level, gpu_share: float, options: RunOptions
) -> dict[str, Any]:
    """Return the environment of this machine, without what only a cluster's nodes can tell."""
    if options.address == "local":
        return environment(device, level, gpu_share)
    facts = environment("cpu", level)
    del facts["machine_class"]
    return facts


def exec_driver(job: DriverJob) -> NoReturn:
    """Exec the driver, which needs no torch: half a gigabyte less for as long as the sweep runs.

    The job is in a file without a name: a large search space does not fit into an argument. Signals
    are blocked until the driver has its handlers, so that none is lost in between.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    with tempfile.TemporaryFile() as file:
        file.write(job.as_json().encode())
        file.flush()
        os.set_inheritable(file.fileno(), True)
        signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED_SIGNALS)
        command = [sys.executable, "-m", "genretune.scripts.driver_main", job.run]
        os.execv(sys.executable, [*command, str(file.fileno())])
