"""Stepping an lr scheduler: per epoch or per batch, and forward again after a restart."""

import warnings
from collections.abc import Iterable, Mapping
from typing import Any

from torch.optim import Optimizer, lr_scheduler

from genretune.tune.errors import TuneError
from genretune.tune.training.lr_schedulers import (
    LR_SCHEDULERS,
    PEAK,
    PER_BATCH,
    WARMUP_KEYS,
    WHOLE_TRIAL_KEYS,
    Schedule,
)


class LrSchedule:
    """A trial's lr scheduler, stepped per epoch or per batch as its kind requires.

    Args:
        config: a resolved lr scheduler.
        optimizer: the optimizer whose parameter groups it changes.
        steps_per_epoch: number of batches per epoch.
        epochs: epochs of the trial.

    Raises:
        TuneError: the lr scheduler cannot be used with the optimizer or the trial's length.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        optimizer: Optimizer,
        *,
        steps_per_epoch: int,
        epochs: int,
    ) -> None:
        self._per_batch = config["name"] in PER_BATCH
        self._metric = str(config["metric"]) if config["name"] == "ReduceLROnPlateau" else None
        self._steps_per_epoch = steps_per_epoch
        self._optimizer = optimizer
        self._schedule = _build(config, optimizer, steps_per_epoch * epochs)

    @property
    def lr(self) -> float:
        """Learning rate of the next step."""
        return float(self._optimizer.param_groups[0]["lr"])

    def after_batch(self) -> None:
        """Step the lr scheduler if it is stepped per batch."""
        if self._per_batch:
            self._step()

    def after_epoch(self, metrics: Mapping[str, Any]) -> None:
        """Step the lr scheduler if it is stepped per epoch, with its metric if it needs one."""
        if self._metric is not None:
            self._step(float(metrics[self._metric]))
        elif not self._per_batch:
            self._step()

    def fast_forward(self, history: Iterable[Mapping[str, Any]]) -> None:
        """Repeat the steps of the epochs in ``history``, on a new schedule.

        The same floating-point operations in the same order give the same learning rate to the
        bit; a closed form for a later epoch would not.
        """
        with warnings.catch_warnings():
            # torch warns since the optimizer steps happened before the restart
            warnings.filterwarnings("ignore", message=".*lr_scheduler.step.*")
            for metrics in history:
                for _ in range(self._steps_per_epoch):
                    self.after_batch()
                self.after_epoch(metrics)

    def _step(self, *metric: float) -> None:
        if self._schedule is not None:
            self._schedule.step(*metric)  # type: ignore[arg-type]


def _build(config: Mapping[str, Any], optimizer: Optimizer, steps: int) -> Schedule | None:
    warmup, factor = config["warmup_epochs"], config["warmup_factor"]
    warmup_schedule = None
    if warmup:
        warmup_schedule = lr_scheduler.LinearLR(optimizer, start_factor=factor, total_iters=warmup)
    if config["name"] is None:
        return warmup_schedule
    arguments = {k: v for k, v in config.items() if k not in ("name", *WARMUP_KEYS)}
    if unresolved := [key for key in WHOLE_TRIAL_KEYS if arguments.get(key, 0) is None]:
        raise TuneError(
            f"lr_scheduler.{unresolved[0]}: must be a number of epochs in a resolved "
            "configuration, got null (write the number)"
        )
    if PEAK in arguments and arguments[PEAK] is None:
        arguments[PEAK] = optimizer.param_groups[0]["lr"]
    if "total_steps" in arguments:
        total_steps: int | None = arguments["total_steps"]
        if total_steps is not None and total_steps < steps:
            raise TuneError(
                f"lr_scheduler.total_steps: must be null or at least the trial's {steps} batches, "
                f"got {total_steps} (leave it null)"
            )
        arguments["total_steps"] = total_steps or steps
    try:
        main = LR_SCHEDULERS[config["name"]](optimizer=optimizer, **arguments)
    except ValueError as error:
        kind = type(optimizer).__name__
        raise TuneError(f"lr_scheduler: {config['name']} on {kind}: {error}") from error
    if warmup_schedule is None:
        return main
    return lr_scheduler.SequentialLR(optimizer, [warmup_schedule, main], milestones=[warmup])
