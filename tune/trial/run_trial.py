"""One segment of a trial in its folder: resume, save and report epochs, record the end."""

import traceback

import torch

from genretune.data.store import Store
from genretune.tune.errors import RunFailure
from genretune.tune.reproducibility import determinism
from genretune.tune.reproducibility.environment import environment
from genretune.tune.storage.atomic_io import STORAGE_ERRORS, StorageFailure
from genretune.tune.training.components import Plugins
from genretune.tune.training.config import TrialConfig
from genretune.tune.training.epoch import OnStep
from genretune.tune.training.train import Outcome, train
from genretune.tune.trial.epoch_saver import (
    CheckpointSchedule,
    EpochSaver,
    OnReport,
    OnTrained,
)
from genretune.tune.trial.error_origin import may_be_infrastructure
from genretune.tune.trial.trial_dir import TrialDir


def run_trial(
    config: TrialConfig,
    store: Store,
    trial_dir: TrialDir,
    *,
    on_report: OnReport,
    on_trained: OnTrained = lambda record: None,
    on_step: OnStep = lambda: None,
    schedule: CheckpointSchedule = CheckpointSchedule(),  # noqa: B008 (frozen)
    plugins: Plugins | None = None,
    gpu_share: float = 1.0,
) -> Outcome:
    """Start a trial, or resume it from its newest intact checkpoint.

    Args:
        on_report: called with the record of every epoch, including those of the checkpoint, after
            checkpoint and records are on disk; returning False ends the segment.
        on_trained: called with the record of every epoch as soon as it is trained.
        on_step: called before every batch.
        schedule: which epochs get a checkpoint; by default all.
        gpu_share: the share of its GPU that the trial is granted, for its machine class.

    Returns:
        The outcome; ``interrupted`` if ``on_report`` ended the segment.

    Raises:
        StorageFailure: a checkpoint or record cannot be written (infrastructure; retried).
        Exception: any error, after ``error.txt`` is written; the trial is recorded as failed only
            if the error is its own (see ``may_be_infrastructure``).
    """
    determinism.apply(config.determinism, threads=config.threads, precision=config.precision)
    start = trial_dir.newest_checkpoint()
    current = environment(config.device, config.determinism, gpu_share)
    epoch = 0 if start is None else start.epoch
    trial_dir.begin_segment(config, current, store.classes, epoch=epoch)
    saver = EpochSaver(config, trial_dir, schedule, on_report=on_report, on_trained=on_trained)
    if start is not None and not saver.resume(start):
        return Outcome("interrupted", start.history, f"stopped after epoch {start.epoch}")
    try:
        outcome = train(
            config, store, resume_from=start, on_epoch=saver.add, on_step=on_step, plugins=plugins
        )
        if not saver.flush():  # the epochs before one that diverged
            return Outcome("interrupted", outcome.history, "stopped at its end")
    except RunFailure:
        raise  # infrastructure: no failure of the trial, so nothing is recorded and it is retried
    except SystemExit:
        raise  # the driver ends the segment
    except Exception as error:
        saver.flush()
        _record(error, config, trial_dir, shares_device=gpu_share < 1.0)
        raise
    except BaseException:  # the user interrupts a training without a driver
        saver.flush()
        raise
    if outcome.status != "interrupted":
        trial_dir.finish(config, outcome.status, outcome.why)
    return outcome


def _record(
    error: Exception, config: TrialConfig, trial_dir: TrialDir, *, shares_device: bool
) -> None:
    """Write ``error.txt``; record that the trial failed, if the error can only be its own.

    Raises:
        StorageFailure: the storage failed, not the trial.
    """
    if isinstance(error, OSError) and error.errno in STORAGE_ERRORS:
        raise StorageFailure(f"{error.filename or trial_dir.path}: {error.strerror}") from error
    trial_dir.write_error("".join(traceback.format_exception(error)))
    if not may_be_infrastructure(error, shares_device=shares_device):
        trial_dir.finish(config, "failed", summarize_error(error))


def summarize_error(error: BaseException) -> str:
    """Return one line for tables: ``out of memory``, or the error's type and first line."""
    text = str(error)
    out_of_memory = isinstance(error, MemoryError | torch.OutOfMemoryError)
    if out_of_memory or "DefaultCPUAllocator: can't allocate memory" in text:
        return "out of memory"
    first = text.strip().splitlines()[0] if text.strip() else ""
    return f"{type(error).__name__}: {first}" if first else type(error).__name__
