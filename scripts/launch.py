"""What ``search`` and ``resume`` share: checks of an existing run, and the exec of the driver."""

import os
import signal
import sys
from collections.abc import Mapping
from typing import Any, NoReturn

from genretune.tune.dispatch.driver_job import DriverJob
from genretune.tune.dispatch.run_options import RunOptions
from genretune.tune.dispatch.signals import HANDLED_SIGNALS
from genretune.tune.errors import TuneError
from genretune.tune.reproducibility.environment import environment
from genretune.tune.run.sweep_setup import Sweep
from genretune.tune.space.load import changed_keys, space_from_json, space_from_text
from genretune.tune.space.settings import Keep
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


def driver_job(run: RunDir, sweep: Sweep, options: RunOptions, **changes: Any) -> DriverJob:
    """Return the job of driving a sweep.

    Args:
        changes: further fields of the job: ``trials``, ``give_up``, ``strict_exit``.
    """
    device: Any = sweep.device
    threads: Any = sweep.space.trial.get("threads", 1)
    return DriverJob(
        run=str(run.path),
        device=sweep.device,
        level=sweep.level,
        threads=int(threads),  # as pydantic reads it: a space file may say "2"
        store=str(sweep.store.path.absolute()),
        samples=sweep.data["samples"],
        plugins=tuple(str(path.absolute()) for path in sweep.plugin_files),
        environment=environment(device, sweep.level),
        options=options,
        **changes,
    )


def exec_driver(job: DriverJob) -> NoReturn:
    """Exec the driver, which needs no torch: half a gigabyte less for as long as the sweep runs.

    Signals are blocked until the driver has its handlers, so that none is lost in between.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED_SIGNALS)
    command = [sys.executable, "-m", "genretune.scripts.driver_main", job.as_json()]
    os.execv(sys.executable, command)
