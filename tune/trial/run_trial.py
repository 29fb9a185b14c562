"""One segment of a trial in its folder: resume, save and report every epoch, record the end."""

import traceback
from collections.abc import Callable, Mapping
from typing import Any

import torch

from genretune.data.store import Store
from genretune.tune.errors import RunFailure
from genretune.tune.reproducibility import determinism
from genretune.tune.reproducibility.environment import environment
from genretune.tune.storage.atomic_io import STORAGE_ERRORS, StorageFailure
from genretune.tune.training.components import Plugins
from genretune.tune.training.config import TrialConfig
from genretune.tune.training.epoch import OnStep
from genretune.tune.training.snapshot import Checkpoint
from genretune.tune.training.train import Outcome, train
from genretune.tune.trial.error_origin import may_be_infrastructure
from genretune.tune.trial.trial_dir import TrialDir

OnReport = Callable[[Mapping[str, Any]], bool]


def run_trial(
    config: TrialConfig,
    store: Store,
    trial_dir: TrialDir,
    *,
    on_report: OnReport,
    on_step: OnStep = lambda: None,
    plugins: Plugins | None = None,
    gpu_share: float = 1.0,
) -> Outcome:
    """Start a trial, or resume it from its newest intact checkpoint.

    Args:
        on_report: called with the record of every epoch, including those of the checkpoint, after
            checkpoint and records are on disk; returning False ends the segment.
        on_step: called before every batch.
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
    if start is not None:
        # Saved again: the last segment may have died after it wrote the checkpoint and before the
        # records or best.safetensors, which would then lag behind for good.
        trial_dir.save_epoch(config, start)
        # Reported again: the driver may never have received these epochs. It ignores those that it
        # knows, and a report with another digest reveals a resume that is not exact.
        for record in start.history:
            if not on_report(record):
                return Outcome("interrupted", start.history, f"stopped after epoch {start.epoch}")

    def on_epoch(checkpoint: Checkpoint) -> bool:
        # On disk before it is reported: the driver journals the report, and may end this process
        # inside on_report. An epoch in the journal without a checkpoint could not be resumed from.
        trial_dir.save_epoch(config, checkpoint)
        return on_report(checkpoint.history[-1])

    try:
        outcome = train(
            config, store, resume_from=start, on_epoch=on_epoch, on_step=on_step, plugins=plugins
        )
    except RunFailure:
        raise  # infrastructure: no failure of the trial, so nothing is recorded and it is retried
    except Exception as error:
        _record(error, config, trial_dir, shares_device=gpu_share < 1.0)
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
