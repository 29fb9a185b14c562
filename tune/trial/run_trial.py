"""One segment of a trial in its folder: continue, keep every epoch, report, say how it ended."""

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
from genretune.tune.training.snapshot import Checkpoint
from genretune.tune.training.train import Outcome, train
from genretune.tune.trial.trial_dir import TrialDir

OnReport = Callable[[Mapping[str, Any]], bool]


def run_trial(
    config: TrialConfig,
    store: Store,
    folder: TrialDir,
    *,
    on_report: OnReport,
    plugins: Plugins | None = None,
) -> Outcome:
    """Continue a trial from its newest sound checkpoint, or begin it.

    Args:
        on_report: called with the record of every epoch, those of the checkpoint included, after
            all of it is on disk; false ends the segment there.

    Raises:
        StorageFailure: a record cannot be written (not the trial's fault).
        Exception: whatever the trial itself raises, after ``error.txt`` is written.
    """
    determinism.apply(config.determinism, threads=config.threads, precision=config.precision)
    start = folder.newest_checkpoint()
    found = environment(config.device, config.determinism)
    epoch = 0 if start is None else start.epoch
    folder.begin_segment(config, found, store.classes, epoch=epoch)
    if start is not None:
        folder.save_epoch(config, start)
        for record in start.history:
            if not on_report(record):
                return Outcome("interrupted", start.history, f"held after {start.epoch}")

    def on_epoch(checkpoint: Checkpoint) -> bool:
        folder.save_epoch(config, checkpoint)
        return on_report(checkpoint.history[-1])

    try:
        outcome = train(config, store, resume_from=start, on_epoch=on_epoch, plugins=plugins)
    except RunFailure:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in STORAGE_ERRORS:
            raise StorageFailure(f"{error.filename or folder.path}: {error.strerror}") from error
        folder.fail(config, in_one_line(error), traceback.format_exc())
        raise
    if outcome.status != "interrupted":
        folder.finish(config, outcome.status, outcome.why)
    return outcome


def in_one_line(error: BaseException) -> str:
    """What a trial died of, for tables: ``out of memory`` or the error's type and first line."""
    text = str(error)
    out_of_memory = isinstance(error, MemoryError | torch.OutOfMemoryError)
    if out_of_memory or "DefaultCPUAllocator: can't allocate memory" in text:
        return "out of memory"
    first = text.strip().splitlines()[0] if text.strip() else ""
    return f"{type(error).__name__}: {first}" if first else type(error).__name__
