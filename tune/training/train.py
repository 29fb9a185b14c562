"""Training of a trial: a function of its configuration, its samples and the machine class."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from genretune.data.windows import Clips
from genretune.tune.reproducibility import determinism
from genretune.tune.training.components import (
    Components,
    Plugins,
    build_components,
    needs_statistics,
)
from genretune.tune.training.config import TrialConfig
from genretune.tune.training.epoch import OnStep, run_epoch
from genretune.tune.training.metrics import epochs_without_improvement
from genretune.tune.training.snapshot import Checkpoint, restore, snapshot


@dataclass(frozen=True)
class Outcome:
    """How a trial ended.

    Attributes:
        status: ``interrupted`` if ``on_epoch`` ended the training.
        history: the record of every finished epoch, with the columns of ``metrics.tsv``.
        why: the reason, one line of text.
    """

    status: Literal["completed", "diverged", "interrupted"]
    history: tuple[dict[str, Any], ...]
    why: str


OnEpoch = Callable[[Checkpoint], bool]


def train(
    config: TrialConfig,
    store: Clips,
    *,
    resume_from: Checkpoint | None = None,
    on_epoch: OnEpoch | None = None,
    on_step: OnStep = lambda: None,
    plugins: Plugins | None = None,
) -> Outcome:
    """Train a trial to its end, from the start or from a checkpoint.

    Args:
        resume_from: a checkpoint of the same trial; the remaining epochs are equal to the bit to
            those of an uninterrupted run.
        on_epoch: called with a checkpoint after each epoch; training ends if it returns false.
        on_step: called before every batch of training and evaluation.
        plugins: loaded plug-ins by file name.

    Raises:
        TuneError, DataError, ModelError: the configuration is inconsistent or does not suit the
            data.
    """
    determinism.apply(config.determinism, threads=config.threads, precision=config.precision)
    statistics = None if resume_from is None else resume_from.feature
    components = build_components(config, store, plugins, statistics=statistics)
    history: tuple[dict[str, Any], ...] = ()
    if resume_from is not None:
        restore(resume_from, components.model, components.optimizer)
        history = resume_from.history
        components.schedule.fast_forward(history)
    # Checked before the first epoch too: a checkpoint may be of the last one.
    while (why := end_reason(config, history)) is None:
        record = run_epoch(components, len(history) + 1, on_step=on_step)
        if (divergence := _divergence(record)) is not None:
            return Outcome("diverged", history, divergence)  # the diverged epoch has no record
        history = (*history, record)
        components.schedule.after_epoch(record)
        if on_epoch is not None and not on_epoch(_snapshot(components, history)):
            return Outcome("interrupted", history, f"stopped after epoch {len(history)}")
    return Outcome("completed", history, why)


def _snapshot(components: Components, history: tuple[dict[str, Any], ...]) -> Checkpoint:
    feature = components.feature if needs_statistics(components.feature) else None
    return snapshot(components.model, components.optimizer, history, feature=feature)


def end_reason(config: TrialConfig, history: tuple[dict[str, Any], ...]) -> str | None:
    """Return why the trial is complete after ``history``, or None if it is not."""
    if len(history) >= config.epochs:
        return f"all {config.epochs} epochs"
    rule = config.early_stopping
    if rule is None:
        return None
    stale = epochs_without_improvement(history, rule.metric, rule.min_delta)
    if stale >= rule.patience:
        return f"out of patience: {rule.metric} did not improve for {stale} epochs"
    return None


def _divergence(record: dict[str, Any]) -> str | None:
    """Return which loss of an epoch is not finite, or None if all are."""
    for name in ("trn_loss", "val_loss", "trn_clip_loss", "val_clip_loss"):
        if not math.isfinite(record[name]):
            return f"{name} is {record[name]} in epoch {record['epoch']}"
    return None
