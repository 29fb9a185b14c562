"""Optimizers by their torch names, with validated keyword arguments.

Every torch optimizer whose step needs no closure and accepts dense gradients of any shape. Adam and
AdamW always run fused: one kernel, and the only variant whose bits do not depend on the CPU's
vendor.

Each function is one signature, from which the schema and the defaults of the configuration are
generated. Its body passes all of its arguments, ``locals()``, to the torch class, so it must not
define other variables.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Annotated

from annotated_types import Ge, Gt, Interval, Lt
from torch import nn, optim

from genretune.models.arguments import resolve
from genretune.tune.errors import TuneError

NotNegative = Annotated[float, Ge(0.0)]
Positive = Annotated[float, Gt(0.0)]
Decay = Annotated[float, Interval(ge=0.0, lt=1.0)]
Betas = tuple[Decay, Decay]
Params = Iterable[nn.Parameter]


def adadelta(
    *,
    params: Params,
    lr: NotNegative = 1.0,
    weight_decay: NotNegative = 0.0,
    rho: Decay = 0.9,
    eps: Positive = 1e-6,
) -> optim.Optimizer:
    return optim.Adadelta(**locals())


def adafactor(
    *,
    params: Params,
    lr: NotNegative = 1e-2,
    weight_decay: NotNegative = 0.0,
    beta2_decay: Annotated[float, Lt(0.0)] = -0.8,
    eps: tuple[Positive | None, Positive] = (None, 1e-3),
    d: Annotated[float, Ge(1.0)] = 1.0,
) -> optim.Optimizer:
    return optim.Adafactor(**locals())


def adagrad(
    *,
    params: Params,
    lr: NotNegative = 1e-2,
    weight_decay: NotNegative = 0.0,
    lr_decay: NotNegative = 0.0,
    initial_accumulator_value: NotNegative = 0.0,
    eps: Positive = 1e-10,
) -> optim.Optimizer:
    return optim.Adagrad(**locals())


def adam(
    *,
    params: Params,
    lr: NotNegative = 1e-3,
    weight_decay: NotNegative = 0.0,
    betas: Betas = (0.9, 0.999),
    eps: Positive = 1e-8,
    amsgrad: bool = False,
) -> optim.Optimizer:
    return optim.Adam(**locals(), fused=True)


def adamw(
    *,
    params: Params,
    lr: NotNegative = 1e-3,
    weight_decay: NotNegative = 1e-2,
    betas: Betas = (0.9, 0.999),
    eps: Positive = 1e-8,
    amsgrad: bool = False,
) -> optim.Optimizer:
    return optim.AdamW(**locals(), fused=True)


def adamax(
    *,
    params: Params,
    lr: NotNegative = 2e-3,
    weight_decay: NotNegative = 0.0,
    betas: Betas = (0.9, 0.999),
    eps: Positive = 1e-8,
) -> optim.Optimizer:
    return optim.Adamax(**locals())


def asgd(
    *,
    params: Params,
    lr: NotNegative = 1e-2,
    weight_decay: NotNegative = 0.0,
    lambd: NotNegative = 1e-4,
    alpha: NotNegative = 0.75,
    t0: NotNegative = 1e6,
) -> optim.Optimizer:
    return optim.ASGD(**locals())


def nadam(
    *,
    params: Params,
    lr: NotNegative = 2e-3,
    weight_decay: NotNegative = 0.0,
    betas: Betas = (0.9, 0.999),
    eps: Positive = 1e-8,
    momentum_decay: NotNegative = 4e-3,
    decoupled_weight_decay: bool = False,
) -> optim.Optimizer:
    return optim.NAdam(**locals())


def radam(
    *,
    params: Params,
    lr: NotNegative = 1e-3,
    weight_decay: NotNegative = 0.0,
    betas: Betas = (0.9, 0.999),
    eps: Positive = 1e-8,
    decoupled_weight_decay: bool = False,
) -> optim.Optimizer:
    return optim.RAdam(**locals())


def rmsprop(
    *,
    params: Params,
    lr: NotNegative = 1e-2,
    weight_decay: NotNegative = 0.0,
    alpha: Decay = 0.99,
    eps: Positive = 1e-8,
    momentum: NotNegative = 0.0,
    centered: bool = False,
) -> optim.Optimizer:
    return optim.RMSprop(**locals())


def rprop(
    *,
    params: Params,
    lr: NotNegative = 1e-2,
    etas: tuple[Annotated[float, Interval(gt=0.0, lt=1.0)], Annotated[float, Gt(1.0)]] = (0.5, 1.2),
    step_sizes: tuple[Positive, Positive] = (1e-6, 50.0),
) -> optim.Optimizer:
    return optim.Rprop(**locals())


def sgd(
    *,
    params: Params,
    lr: NotNegative = 1e-3,
    weight_decay: NotNegative = 0.0,
    momentum: NotNegative = 0.0,
    dampening: float = 0.0,
    nesterov: bool = False,
) -> optim.Optimizer:
    return optim.SGD(**locals())


OPTIMIZERS: dict[str, Callable[..., optim.Optimizer]] = {
    "Adadelta": adadelta,
    "Adafactor": adafactor,
    "Adagrad": adagrad,
    "Adam": adam,
    "AdamW": adamw,
    "Adamax": adamax,
    "ASGD": asgd,
    "NAdam": nadam,
    "RAdam": radam,
    "RMSprop": rmsprop,
    "Rprop": rprop,
    "SGD": sgd,
}


def resolve_optimizer(settings: Mapping[str, object]) -> dict[str, object]:
    """Return ``settings`` with every default written out.

    Raises:
        ModelError: with one line for each invalid argument.
    """
    return resolve("optimizer", OPTIMIZERS, settings, context=("params",))


def build_optimizer(config: Mapping[str, object], params: Params) -> optim.Optimizer:
    """Build the optimizer of a resolved configuration over ``params``.

    Raises:
        TuneError: the arguments are valid one by one but not together.
    """
    arguments = {key: value for key, value in config.items() if key != "name"}
    try:
        return OPTIMIZERS[str(config["name"])](params=list(params), **arguments)
    except ValueError as error:
        raise TuneError(f"optimizer: {config['name']}: {error}, got {arguments}") from error
