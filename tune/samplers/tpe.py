"""Tree-structured Parzen estimator by Optuna (https://doi.org/10.48550/arXiv.2304.11127).

The only module that imports Optuna. Each suggestion uses a new study, filled with the history in
index order, and a generator seeded by (sweep seed, trial, attempt); so a suggestion is a function
of its arguments, and neither earlier suggestions nor a resume can affect it.

On learning curves that were not made here it finds less than random search (BENCHMARKS.md), so no
shipped space names it: ``parzen`` takes its place. Its suggestions stay as they are, so that sweeps
that were recorded with it resume and can be audited.

The estimator is multivariate within groups. With Optuna's ``group=True`` the parameters that every
trial has form one group, and each conditional parameter is a group of its own, modelled
independently of all others. (The value of a range with ``zero`` is conditional too: it exists only
if not 0. How often 0 is drawn is learned; ``zero`` is its probability in random draws alone.)
Pending trials count as bad (constant liar), so that parallel suggestions differ. Diverged trials
are told as complete with the worst value seen; Optuna ranks complete trials above all pruned ones,
so while complete trials are few, diverged ones are among the good.
"""

import warnings
from collections.abc import Sequence

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.exceptions import ExperimentalWarning
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from genretune.tune.reproducibility.seeds import derive
from genretune.tune.samplers.history import Observation
from genretune.tune.samplers.random_search import draw
from genretune.tune.space.distributions import Normal, Range, Values
from genretune.tune.space.space import Space
from genretune.tune.space.tree import Choice, Dimension, FlatConfig, Parameter

optuna.logging.set_verbosity(optuna.logging.ERROR)
_MAX_REDRAWS = 10
"""Further redraws are random: an estimator that repeats itself ten times keeps doing so."""
_ZERO = " is zero"
"""Suffix of the categorical parameter that says whether a range with ``zero`` is 0."""
_STATES = {
    "value": TrialState.COMPLETE,
    "worst": TrialState.COMPLETE,
    "stopped": TrialState.PRUNED,
    "pending": TrialState.RUNNING,
}


class Tpe:
    """A sampler that asks Optuna's TPE; at random until it has observed ``n_startup`` trials.

    Raises:
        TypeError: the space names another sampler.
    """

    def __init__(self, space: Space) -> None:
        if space.sampler.type != "tpe":
            raise TypeError(f"sampler.type: must be tpe, got {space.sampler.type}")
        self._space = space
        self._n_startup = space.sampler.n_startup

    def configuration(self, trial: int, attempt: int, history: Sequence[Observation]) -> FlatConfig:
        observed = sum(known.outcome in ("value", "worst") for known in history)
        if attempt >= _MAX_REDRAWS or observed < self._n_startup:
            return draw(self._space, trial, attempt)
        study = _new_study(self._space, derive(self._space.seed, "tpe", trial, attempt) % 2**32)
        study.add_trials(_frozen_trials(self._space, history))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            asked = study.ask()
            return self._space.flat_config(lambda node: suggest_value(asked, node))


def suggest_value(trial: Trial, node: Parameter | Choice) -> object:
    """Ask an Optuna trial for a parameter's value or the option's index of a choice.

    Optuna learns the space from what it is asked (define by run), so a parameter inside an option
    must be asked for only if the option is taken.
    """
    name = node.dimension
    if isinstance(node, Choice):
        return _suggest_index(trial, name, len(node.options))
    distribution = node.distribution
    if isinstance(distribution, Values):
        return distribution.nth(_suggest_index(trial, name, distribution.size()))
    if isinstance(distribution, Range) and distribution.zero > 0:
        # a categorical of its own: the estimator can put mass on 0 apart from the range
        if _suggest_index(trial, name + _ZERO, 2):
            return distribution.canonical(0)
    optuna_distribution = _to_optuna(distribution)
    if isinstance(optuna_distribution, IntDistribution):
        value: float = trial.suggest_int(
            name,
            optuna_distribution.low,
            optuna_distribution.high,
            log=optuna_distribution.log,
        )
    else:
        value = trial.suggest_float(
            name,
            optuna_distribution.low,
            optuna_distribution.high,
            log=optuna_distribution.log,
        )
    return _from_optuna_value(distribution, value)


def _new_study(space: Space, seed: int) -> optuna.Study:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        sampler = optuna.samplers.TPESampler(
            n_startup_trials=0,  # this module draws those at random itself
            multivariate=True,
            group=True,
            constant_liar=True,
            seed=seed,
        )
    return optuna.create_study(
        direction="maximize" if space.metric.mode == "max" else "minimize", sampler=sampler
    )


def _suggest_index(trial: Trial, name: str, count: int) -> int:
    index = trial.suggest_categorical(name, range(count))
    if not isinstance(index, int):
        raise TypeError(f"{name}: must be an index below {count}, got {index!r} from Optuna")
    return index


def _to_optuna(distribution: Range | Normal) -> FloatDistribution | IntDistribution:
    """Return what Optuna samples: the range, its step numbers, or a normal's probability."""
    if isinstance(distribution, Normal):
        return FloatDistribution(0.0, 1.0)
    if distribution.step is None:
        return FloatDistribution(distribution.low, distribution.high, log=distribution.log)
    if not distribution.log:
        return IntDistribution(0, distribution.lattice_size() - 1)
    # Optuna has integers in the logarithm with a step of 1 only, and no other steps
    if distribution.integer and distribution.step == 1:
        return IntDistribution(int(distribution.low), int(distribution.high), log=True)
    return FloatDistribution(*distribution.widened_bounds(), log=True)


def _from_optuna_value(distribution: Range | Normal, value: float) -> float:
    """Return the parameter's value for one that Optuna sampled from ``_to_optuna``."""
    if isinstance(distribution, Normal):
        return distribution.from_unit(value)
    if distribution.step is None:
        # exp(log(low)) can miss the bound by one unit in the last place
        return distribution.rounded(value)
    if distribution.log:
        return distribution.lattice_value(distribution.nearest_step(value))
    return distribution.lattice_value(int(value))


def _to_optuna_value(distribution: Range | Normal, value: float) -> float:
    """Return what Optuna would have sampled for a parameter's value."""
    if isinstance(distribution, Normal):
        return distribution.to_unit(value)
    if distribution.step is not None and not distribution.log:
        return distribution.nearest_step(value)
    return value


def _frozen_trials(space: Space, history: Sequence[Observation]) -> list[FrozenTrial]:
    """Return the history as Optuna's trials, in index order.

    Raises:
        SpaceError: a configuration of the history is not one of the space.
    """
    dimensions = {dimension.name: dimension for dimension in space.dimensions()}
    seen = [
        known.value for known in history if known.outcome == "value" and known.value is not None
    ]
    better_is_more = space.metric.mode == "max"
    # if every trial so far diverged they all get the same value, and which one does not matter
    worst = (min(seen) if better_is_more else max(seen)) if seen else 0.0
    result = []
    for known in history:
        if known.outcome == "none":
            continue
        params: dict[str, float] = {}
        distributions: dict[str, BaseDistribution] = {}
        for name, value in space.decode(known.parameters).items():
            _add_param(dimensions[name], value, params, distributions)
        state = _STATES[known.outcome]
        reached = worst if known.value is None else known.value
        result.append(
            create_trial(
                state=state,
                value=reached if state == TrialState.COMPLETE else None,
                params=params,
                distributions=distributions,
                # Optuna ranks pruned trials by their last epoch, then by the value there
                intermediate_values={known.epoch: reached} if known.outcome == "stopped" else {},
            )
        )
    return result


def _add_param(
    dimension: Dimension,
    value: object,
    params: dict[str, float],
    distributions: dict[str, BaseDistribution],
) -> None:
    """Add one dimension of an earlier trial, as ``suggest_value`` would have asked for it.

    Raises:
        TypeError: the value cannot be one of the dimension.
    """
    name, distribution = dimension.name, dimension.distribution
    if distribution is None or isinstance(distribution, Values):
        index = value if distribution is None else distribution.index_of(value)
        count = dimension.options if distribution is None else distribution.size()
        if not isinstance(index, int):
            raise TypeError(f"{name}: must be one of {count} options, got {value!r}")
        params[name] = index
        distributions[name] = CategoricalDistribution(range(count))
        return
    if not isinstance(value, int | float):
        raise TypeError(f"{name}: must be a number, got {value!r}")
    if isinstance(distribution, Range) and distribution.zero > 0:
        params[name + _ZERO] = int(value == 0)
        distributions[name + _ZERO] = CategoricalDistribution(range(2))
        if value == 0:
            return
    params[name] = _to_optuna_value(distribution, value)
    distributions[name] = _to_optuna(distribution)
