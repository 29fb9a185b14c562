"""The trial as one function of its configuration, its samples and the machine class."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from genretune.data.store import Store
from genretune.tune.reproducibility import determinism
from genretune.tune.training.components import (
    Components,
    Plugins,
    build_components,
    needs_statistics,
)
from genretune.tune.training.config import TrialConfig
from genretune.tune.training.epoch import run_epoch
from genretune.tune.training.metrics import epochs_without_improvement
from genretune.tune.training.snapshot import Checkpoint, restore, snapshot


@dataclass(frozen=True)
class Outcome:
    """How a trial ended.

    Attributes:
        status: ``interrupted`` where ``on_epoch`` asked for no more.
        history: the record of every finished epoch, with the columns of ``metrics.tsv``.
        why: one line for people.
    """

    status: Literal["completed", "diverged", "interrupted"]
    history: tuple[dict[str, Any], ...]
    why: str


OnEpoch = Callable[[Checkpoint], bool]


def train(
    config: TrialConfig,
    store: Store,
    *,
    resume_from: Checkpoint | None = None,
    on_epoch: OnEpoch | None = None,
    plugins: Plugins | None = None,
) -> Outcome:
    """Train from the start, or from a checkpoint, to the end.

    Args:
        resume_from: a snapshot of the same trial; the rest is as if it had never stopped.
        on_epoch: called with a snapshot after each epoch; false ends the training there.
        plugins: the user's loaded plug-ins by file name.

    Raises:
        TuneError, DataError, ModelError: the configuration does not fit itself or the data.
    """
    determinism.apply(config.determinism, threads=config.threads, precision=config.precision)
    components = build_components(config, store, plugins)
    history: tuple[dict[str, Any], ...] = ()
    if resume_from is not None:
        restore(resume_from, components.model, components.optimizer)
        history = resume_from.history
        components.schedule.walk(history)
    while (why := _finished(config, history)) is None:
        record = run_epoch(components, len(history) + 1)
        if (wrong := _not_finite(record)) is not None:
            return Outcome("diverged", history, wrong)
        history = (*history, record)
        components.schedule.after_epoch(record)
        if on_epoch is not None and not on_epoch(_snapshot(components, history)):
            return Outcome("interrupted", history, f"stopped after epoch {len(history)}")
    return Outcome("completed", history, why)


def _snapshot(components: Components, history: tuple[dict[str, Any], ...]) -> Checkpoint:
    feature = components.feature if needs_statistics(components.feature) else None
    return snapshot(components.model, components.optimizer, history, feature=feature)


def _finished(config: TrialConfig, history: tuple[dict[str, Any], ...]) -> str | None:
    """Why the trial is over after ``history``; None while it is not."""
    if len(history) >= config.epochs:
        return f"all {config.epochs} epochs"
    rule = config.early_stopping
    if rule is None:
        return None
    waited = epochs_without_improvement(history, rule.metric, rule.min_delta)
    if waited >= rule.patience:
        return f"out of patience: {rule.metric} did not improve for {waited} epochs"
    return None


def _not_finite(record: dict[str, Any]) -> str | None:
    for name in ("trn_loss", "val_loss", "trn_clip_loss", "val_clip_loss"):
        if not math.isfinite(record[name]):
            return f"{name} is {record[name]} in epoch {record['epoch']}"
    return None
