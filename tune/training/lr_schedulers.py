"""Learning-rate schedulers by torch's own names, stepped per epoch or per batch.

A span that is left out (``total_iters``, ``T_max``, ``total_steps``) means the whole trial and is
written out as a number when the configuration is resolved. The curves are torch's own: the state
of a schedule is never stored but walked again from the first step, which gives the same bits.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Interval, MinLen
from torch.optim import Optimizer, lr_scheduler

from genretune.models.arguments import resolve
from genretune.tune.error_messages import hint
from genretune.tune.errors import TuneError
from genretune.tune.metric_names import METRICS

Steps = Annotated[int, Ge(1)]
Factor = Annotated[float, Interval(gt=0.0, le=1.0)]
NotNegative = Annotated[float, Ge(0.0)]
Positive = Annotated[float, Gt(0.0)]
Schedule = lr_scheduler.LRScheduler


def step_lr(*, optimizer: Optimizer, step_size: Steps, gamma: NotNegative = 0.1) -> Schedule:
    return lr_scheduler.StepLR(optimizer, step_size, gamma)


def multi_step_lr(
    *,
    optimizer: Optimizer,
    milestones: Annotated[list[Steps], MinLen(1)],
    gamma: NotNegative = 0.1,
) -> Schedule:
    return lr_scheduler.MultiStepLR(optimizer, milestones, gamma)


def constant_lr(
    *, optimizer: Optimizer, factor: Factor = 1 / 3, total_iters: Steps | None = None
) -> Schedule:
    return lr_scheduler.ConstantLR(optimizer, factor, _number(total_iters))


def linear_lr(
    *,
    optimizer: Optimizer,
    start_factor: Factor = 1.0,
    end_factor: Annotated[float, Interval(ge=0.0, le=1.0)] = 0.1,
    total_iters: Steps | None = None,
) -> Schedule:
    return lr_scheduler.LinearLR(optimizer, start_factor, end_factor, _number(total_iters))


def exponential_lr(*, optimizer: Optimizer, gamma: Positive) -> Schedule:
    return lr_scheduler.ExponentialLR(optimizer, gamma)


def polynomial_lr(
    *, optimizer: Optimizer, total_iters: Steps | None = None, power: NotNegative = 1.0
) -> Schedule:
    return lr_scheduler.PolynomialLR(optimizer, _number(total_iters), power)


def cosine_annealing_lr(
    *, optimizer: Optimizer, T_max: Steps | None = None, eta_min: NotNegative = 0.0
) -> Schedule:
    return lr_scheduler.CosineAnnealingLR(optimizer, _number(T_max), eta_min)


def cosine_annealing_warm_restarts(
    *, optimizer: Optimizer, T_0: Steps, T_mult: Steps = 1, eta_min: NotNegative = 0.0
) -> Schedule:
    return lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0, T_mult, eta_min)


def reduce_lr_on_plateau(
    *,
    optimizer: Optimizer,
    metric: str = "val_loss",
    mode: Literal["min", "max"] | None = None,
    factor: Annotated[float, Interval(gt=0.0, lt=1.0)] = 0.1,
    patience: Annotated[int, Ge(0)] = 10,
    threshold: NotNegative = 1e-4,
    threshold_mode: Literal["rel", "abs"] = "rel",
    cooldown: Annotated[int, Ge(0)] = 0,
    min_lr: NotNegative = 0.0,
) -> Schedule:
    return lr_scheduler.ReduceLROnPlateau(
        optimizer,
        mode=mode or METRICS[metric],
        factor=factor,
        patience=patience,
        threshold=threshold,
        threshold_mode=threshold_mode,
        cooldown=cooldown,
        min_lr=min_lr,
    )


def one_cycle_lr(
    *,
    optimizer: Optimizer,
    max_lr: Positive,
    total_steps: Steps | None = None,
    pct_start: Annotated[float, Interval(ge=0.0, le=1.0)] = 0.3,
    anneal_strategy: Literal["cos", "linear"] = "cos",
    cycle_momentum: bool = True,
    base_momentum: NotNegative = 0.85,
    max_momentum: NotNegative = 0.95,
    div_factor: Positive = 25.0,
    final_div_factor: Positive = 1e4,
    three_phase: bool = False,
) -> Schedule:
    return lr_scheduler.OneCycleLR(
        optimizer,
        max_lr,
        total_steps=total_steps,
        pct_start=pct_start,
        anneal_strategy=anneal_strategy,
        cycle_momentum=cycle_momentum,
        base_momentum=base_momentum,
        max_momentum=max_momentum,
        div_factor=div_factor,
        final_div_factor=final_div_factor,
        three_phase=three_phase,
    )


def cyclic_lr(
    *,
    optimizer: Optimizer,
    base_lr: NotNegative,
    max_lr: Positive,
    step_size_up: Steps = 2000,
    step_size_down: Steps | None = None,
    mode: Literal["triangular", "triangular2", "exp_range"] = "triangular",
    gamma: NotNegative = 1.0,
    cycle_momentum: bool = True,
    base_momentum: NotNegative = 0.8,
    max_momentum: NotNegative = 0.9,
) -> Schedule:
    return lr_scheduler.CyclicLR(
        optimizer,
        base_lr,
        max_lr,
        step_size_up=step_size_up,
        step_size_down=step_size_down,
        mode=mode,
        gamma=gamma,
        cycle_momentum=cycle_momentum,
        base_momentum=base_momentum,
        max_momentum=max_momentum,
    )


LR_SCHEDULERS: dict[str, Callable[..., Schedule]] = {
    "StepLR": step_lr,
    "MultiStepLR": multi_step_lr,
    "ConstantLR": constant_lr,
    "LinearLR": linear_lr,
    "ExponentialLR": exponential_lr,
    "PolynomialLR": polynomial_lr,
    "CosineAnnealingLR": cosine_annealing_lr,
    "CosineAnnealingWarmRestarts": cosine_annealing_warm_restarts,
    "ReduceLROnPlateau": reduce_lr_on_plateau,
    "OneCycleLR": one_cycle_lr,
    "CyclicLR": cyclic_lr,
}
PER_BATCH = frozenset({"OneCycleLR", "CyclicLR"})
WARM_UP = ("warmup_epochs", "warmup_factor")
_WHOLE_TRIAL = ("total_iters", "T_max")


def resolve_lr_scheduler(given: Mapping[str, object], *, epochs: int) -> dict[str, object]:
    """``given`` with all defaults; a span left out is the trial's (``total_steps`` stays null).

    The ``mode`` of a plateau that is left out is the metric's own.
    ``{name: null}`` keeps the learning rate as it is. ``warmup_epochs`` (0) and ``warmup_factor``
    (0.1) put a linear warm-up before any schedule that is stepped per epoch.
    """
    name = given.get("name")
    warm_up: dict[str, object] = {"warmup_epochs": 0, "warmup_factor": 0.1}
    warm_up |= {key: given[key] for key in WARM_UP if key in given}
    checked = resolve("lr_scheduler", {"warm-up": _warm_up}, {"name": "warm-up", **warm_up})
    rest = {key: value for key, value in given.items() if key not in WARM_UP}
    if name is None:
        if len(rest) > 1:
            raise TuneError(
                f"lr_scheduler.{sorted(set(rest) - {'name'})[0]}: a null lr scheduler takes no "
                "arguments (name one, or remove it)"
            )
        resolved: dict[str, object] = {"name": None}
    else:
        resolved = resolve("lr_scheduler", LR_SCHEDULERS, rest, context=("optimizer",))
    warmup = int(str(checked["warmup_epochs"]))
    if warmup and (name in PER_BATCH or name == "ReduceLROnPlateau"):
        raise TuneError(
            f"lr_scheduler.warmup_epochs: {name} takes no warm-up, got {warmup} (remove it)"
        )
    if warmup >= epochs:
        raise TuneError(
            f"lr_scheduler.warmup_epochs: must be below the trial's {epochs} epochs, got {warmup}"
        )
    if name == "ReduceLROnPlateau":
        metric = str(resolved["metric"])
        if metric not in METRICS:
            raise TuneError(
                f"lr_scheduler.metric: must be one of {', '.join(METRICS)}, got {metric}"
                f"{hint(metric, METRICS)}"
            )
        resolved["mode"] = resolved["mode"] or METRICS[metric]
    for key in _WHOLE_TRIAL:
        if key in resolved and resolved[key] is None:
            resolved[key] = max(1, epochs - warmup)
    return resolved | {key: checked[key] for key in WARM_UP}


def _warm_up(*, warmup_epochs: Annotated[int, Ge(0)] = 0, warmup_factor: Factor = 0.1) -> None:
    """The arguments that all schedules share (only their schema is used)."""


def _number(span: int | None) -> int:
    if span is None:
        raise TuneError("lr_scheduler: a span must be resolved before it is built, got null")
    return span
