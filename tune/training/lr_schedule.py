"""A schedule in motion: stepped per epoch or per batch, and walked again after a restart."""

import warnings
from collections.abc import Iterable, Mapping
from typing import Any

from torch.optim import Optimizer, lr_scheduler

from genretune.tune.errors import TuneError
from genretune.tune.training.lr_schedulers import LR_SCHEDULERS, PER_BATCH, WARM_UP, Schedule


class LrSchedule:
    """A schedule walked by epochs and batches; knows which of the two it listens to.

    Args:
        config: a resolved lr scheduler.
        optimizer: whose parameter groups it moves.
        steps_per_epoch: batches an epoch has.
        epochs: the trial's.
    """

    def __init__(
        self,
        config: Mapping[str, object],
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
        """The learning rate that the next step will use."""
        return float(self._optimizer.param_groups[0]["lr"])

    def after_batch(self) -> None:
        if self._per_batch:
            self._step()

    def after_epoch(self, metrics: Mapping[str, Any]) -> None:
        if self._metric is not None:
            self._step(float(metrics[self._metric]))
        elif not self._per_batch:
            self._step()

    def walk(self, history: Iterable[Mapping[str, Any]]) -> None:
        """Go where the epochs of ``history`` led; called once, on a fresh schedule."""
        with warnings.catch_warnings():
            # torch misses the optimizer steps that happened before the checkpoint
            warnings.filterwarnings("ignore", message=".*lr_scheduler.step.*")
            for metrics in history:
                for _ in range(self._steps_per_epoch):
                    self.after_batch()
                self.after_epoch(metrics)

    def _step(self, *metric: float) -> None:
        if self._schedule is not None:
            self._schedule.step(*metric)  # type: ignore[arg-type]


def _build(config: Mapping[str, object], optimizer: Optimizer, steps: int) -> Schedule | None:
    warmup, factor = int(str(config["warmup_epochs"])), float(str(config["warmup_factor"]))
    warm = None
    if warmup:
        warm = lr_scheduler.LinearLR(optimizer, start_factor=factor, total_iters=warmup)
    if config["name"] is None:
        return warm
    arguments = {key: value for key, value in config.items() if key not in ("name", *WARM_UP)}
    if "total_steps" in arguments:
        given = arguments["total_steps"]
        if isinstance(given, int) and given < steps:
            raise TuneError(
                f"lr_scheduler.total_steps: must be null or at least the trial's {steps} batches, "
                f"got {given} (leave it null)"
            )
        arguments["total_steps"] = given or steps
    try:
        main = LR_SCHEDULERS[str(config["name"])](optimizer=optimizer, **arguments)
    except ValueError as error:
        kind = type(optimizer).__name__
        raise TuneError(f"lr_scheduler: {config['name']} on {kind}: {error}") from error
    if warm is None:
        return main
    return lr_scheduler.SequentialLR(optimizer, [warm, main], milestones=[warmup])
