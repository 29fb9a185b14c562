"""Learning-rate schedulers by their torch names, stepped per epoch or per batch.

An omitted length (``total_iters``, ``T_max``, ``total_steps``) means the whole trial; the first two
are written out as numbers when the configuration is resolved. An omitted ``max_lr`` means
``optimizer.lr``. The curves are those of torch.
Checkpoints do not contain the lr scheduler's state: after a restart it is stepped forward again
from the first step, which gives the same bits.

Each function is one signature, from which the schema and the defaults of the configuration are
generated. A body that passes all of its arguments, ``locals()``, to the torch class must not define
other variables.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Interval, MinLen
from torch.optim import Optimizer, lr_scheduler

from genretune.models.arguments import resolve
from genretune.tune.error_messages import hint
from genretune.tune.errors import TuneError
from genretune.tune.metric_names import METRICS, Mode

Steps = Annotated[int, Ge(1)]
Factor = Annotated[float, Interval(gt=0.0, le=1.0)]
NotNegative = Annotated[float, Ge(0.0)]
Positive = Annotated[float, Gt(0.0)]
Schedule = lr_scheduler.LRScheduler


def step_lr(*, optimizer: Optimizer, step_size: Steps, gamma: NotNegative = 0.1) -> Schedule:
    return lr_scheduler.StepLR(**locals())


def multi_step_lr(
    *,
    optimizer: Optimizer,
    milestones: Annotated[list[Steps], MinLen(1)],
    gamma: NotNegative = 0.1,
) -> Schedule:
    return lr_scheduler.MultiStepLR(**locals())


def constant_lr(
    *, optimizer: Optimizer, factor: Factor = 1 / 3, total_iters: Steps | None = None
) -> Schedule:
    return lr_scheduler.ConstantLR(**locals())


def linear_lr(
    *,
    optimizer: Optimizer,
    start_factor: Factor = 1.0,
    end_factor: Annotated[float, Interval(ge=0.0, le=1.0)] = 0.1,
    total_iters: Steps | None = None,
) -> Schedule:
    return lr_scheduler.LinearLR(**locals())


def exponential_lr(*, optimizer: Optimizer, gamma: Positive) -> Schedule:
    return lr_scheduler.ExponentialLR(**locals())


def polynomial_lr(
    *, optimizer: Optimizer, total_iters: Steps | None = None, power: NotNegative = 1.0
) -> Schedule:
    return lr_scheduler.PolynomialLR(**locals())


def cosine_annealing_lr(
    *, optimizer: Optimizer, T_max: Steps | None = None, eta_min: NotNegative = 0.0
) -> Schedule:
    return lr_scheduler.CosineAnnealingLR(**locals())


def cosine_annealing_warm_restarts(
    *, optimizer: Optimizer, T_0: Steps, T_mult: Steps = 1, eta_min: NotNegative = 0.0
) -> Schedule:
    return lr_scheduler.CosineAnnealingWarmRestarts(**locals())


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
    max_lr: Positive | None = None,
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
    return lr_scheduler.OneCycleLR(**locals())


def cyclic_lr(
    *,
    optimizer: Optimizer,
    base_lr: NotNegative,
    max_lr: Positive | None = None,
    step_size_up: Steps = 2000,
    step_size_down: Steps | None = None,
    mode: Literal["triangular", "triangular2", "exp_range"] = "triangular",
    gamma: NotNegative = 1.0,
    cycle_momentum: bool = True,
    base_momentum: NotNegative = 0.8,
    max_momentum: NotNegative = 0.9,
) -> Schedule:
    return lr_scheduler.CyclicLR(**locals())


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
PEAK = "max_lr"
"""Argument of those stepped per batch: the highest learning rate; null for the optimizer's."""
PER_BATCH = frozenset({"OneCycleLR", "CyclicLR"})
"""Lr schedulers stepped after every batch; all others are stepped after every epoch."""
WARMUP_KEYS = ("warmup_epochs", "warmup_factor")
"""Arguments of ours that every lr scheduler accepts; not torch's."""
WHOLE_TRIAL_KEYS = ("total_iters", "T_max")
"""Lengths in epochs that default to the rest of the trial after the warm-up."""


def resolve_lr_scheduler(settings: Mapping[str, object], *, epochs: int) -> dict[str, object]:
    """Return ``settings`` with all defaults written out.

    An omitted length in epochs becomes that of the trial after the warm-up; ``total_steps`` stays
    null, since the number of batches is not known yet. An omitted ``mode`` of ReduceLROnPlateau
    becomes the direction of its metric. ``{name: null}`` keeps the learning rate constant.
    ``warmup_epochs`` (0) and ``warmup_factor`` (0.1) put a linear warm-up before any lr scheduler
    that is stepped per epoch.

    Args:
        epochs: epochs of the trial.

    Raises:
        ModelError: with one line for each invalid argument.
        TuneError: the arguments are valid one by one but not together.
    """
    warmup = _resolve_warmup(settings)
    name = settings.get("name")
    arguments = {key: value for key, value in settings.items() if key not in WARMUP_KEYS}
    if name is not None:
        resolved = resolve("lr_scheduler", LR_SCHEDULERS, arguments, context=("optimizer",))
    elif arguments.keys() <= {"name"}:
        resolved = {"name": None}
    else:
        raise TuneError(
            f"lr_scheduler.{sorted(arguments.keys() - {'name'})[0]}: a null lr scheduler takes no "
            "arguments (set a name, or remove it)"
        )
    _check_warmup(name, warmup["warmup_epochs"], epochs)
    if name == "ReduceLROnPlateau":
        direction = _direction(str(resolved["metric"]))
        resolved["mode"] = resolved["mode"] or direction
    for key in WHOLE_TRIAL_KEYS:
        if key in resolved and resolved[key] is None:
            resolved[key] = max(1, epochs - warmup["warmup_epochs"])
    return resolved | warmup


def _resolve_warmup(settings: Mapping[str, object]) -> dict[str, Any]:
    """Validate the warm-up's arguments by the signature of ``_warmup``."""
    arguments = {key: settings[key] for key in WARMUP_KEYS if key in settings}
    resolved = resolve("lr_scheduler", {"warm-up": _warmup}, {"name": "warm-up", **arguments})
    return {key: resolved[key] for key in WARMUP_KEYS}


def _warmup(*, warmup_epochs: Annotated[int, Ge(0)] = 0, warmup_factor: Factor = 0.1) -> None:
    """The arguments that all lr schedulers share; never called, only its schema is used."""


def _check_warmup(name: object, warmup_epochs: int, epochs: int) -> None:
    # torch's SequentialLR cannot pass a metric to ReduceLROnPlateau, and it would count batches as
    # epochs for the lr schedulers that are stepped per batch.
    if warmup_epochs and (name in PER_BATCH or name == "ReduceLROnPlateau"):
        raise TuneError(
            f"lr_scheduler.warmup_epochs: {name} takes no warm-up, got {warmup_epochs} (remove it)"
        )
    if warmup_epochs >= epochs:
        raise TuneError(
            f"lr_scheduler.warmup_epochs: must be below the trial's {epochs} epochs, got "
            f"{warmup_epochs}"
        )


def _direction(metric: str) -> Mode:
    if metric not in METRICS:
        raise TuneError(
            f"lr_scheduler.metric: must be one of {', '.join(METRICS)}, got {metric}"
            f"{hint(metric, METRICS)}"
        )
    return METRICS[metric]
