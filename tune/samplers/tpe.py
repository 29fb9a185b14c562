"""Tree-structured Parzen estimator by Optuna (https://doi.org/10.48550/arXiv.2304.11127).

The only file that imports Optuna. No study lives from one suggestion to the next: it is made anew
from the history, in index order, with a generator seeded by (sweep seed, trial, attempt), so that
a suggestion is a function of its arguments. Multivariate and grouped: conditional parameters are
modelled together with those they appear with. Pending trials are lied about as bad (constant
liar), so that parallel suggestions differ; diverged ones count as the worst value seen.
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
from genretune.tune.space.distributions import Distribution, Normal, Range, Values
from genretune.tune.space.space import Space
from genretune.tune.space.tree import Choice, Flat, Parameter

optuna.logging.set_verbosity(optuna.logging.ERROR)
_ZERO = " is zero"
_STATES = {
    "value": TrialState.COMPLETE,
    "worst": TrialState.COMPLETE,
    "stopped": TrialState.PRUNED,
    "pending": TrialState.RUNNING,
}


def configuration(space: Space, trial: int, attempt: int, history: Sequence[Observation]) -> Flat:
    """The suggestion for a trial."""
    study = _study(space, derive(space.seed, "tpe", trial, attempt) % 2**32)
    study.add_trials(_frozen(space, history))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        asked = study.ask()
        return space.flat(lambda node: _pick(asked, node))


def startup(history: Sequence[Observation]) -> int:
    """How many trials of the history the sampler can learn from."""
    return sum(told.outcome in ("value", "worst") for told in history)


def _study(space: Space, seed: int) -> optuna.Study:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        sampler = optuna.samplers.TPESampler(
            n_startup_trials=0,
            multivariate=True,
            group=True,
            constant_liar=True,
            seed=seed,
        )
    if space.metric.mode == "max":
        return optuna.create_study(direction="maximize", sampler=sampler)
    return optuna.create_study(direction="minimize", sampler=sampler)


def _pick(asked: Trial, node: Parameter | Choice) -> object:
    """Ask for one dimension; what stands under a choice is asked only where it is taken."""
    name = node.dimension
    if isinstance(node, Choice):
        return _index(asked, name, len(node.options))
    kind = node.distribution
    if isinstance(kind, Values):
        return kind.at((_index(asked, name, len(kind.values)) + 0.5) / len(kind.values))
    if isinstance(kind, Range) and kind.zero > 0 and _index(asked, name + _ZERO, 2):
        return 0 if kind.integer else 0.0
    inner = _inner(kind)
    if isinstance(inner, IntDistribution):
        found: float = asked.suggest_int(name, inner.low, inner.high, log=inner.log)
    else:
        found = asked.suggest_float(name, inner.low, inner.high, log=inner.log)
    return _outside(kind, found)


def _index(asked: Trial, name: str, count: int) -> int:
    found = asked.suggest_categorical(name, range(count))
    return int(found) if isinstance(found, int) else 0


def _inner(kind: Range | Normal) -> FloatDistribution | IntDistribution:
    """What Optuna chooses in: the range itself, its steps, or a normal's own probabilities."""
    if isinstance(kind, Normal):
        return FloatDistribution(0.0, 1.0)
    if kind.step is None:
        return FloatDistribution(kind.low, kind.high, log=kind.log)
    if not kind.log:
        return IntDistribution(0, (kind.steps() or 1) - 1)
    if kind.integer and kind.step == 1:
        return IntDistribution(int(kind.low), int(kind.high), log=True)
    return FloatDistribution(*kind.widened(), log=True)


def _outside(kind: Range | Normal, inner: float) -> object:
    """From what Optuna chose to the parameter's value."""
    if isinstance(kind, Normal):
        return kind.at(inner)
    if kind.step is None:
        return min(max(inner, kind.low), kind.high)
    return kind.on_lattice(kind.nearest(inner) if kind.log else int(inner))


def _inside(kind: Range | Normal, value: float) -> float:
    """From the parameter's value to what Optuna would have chosen."""
    if isinstance(kind, Normal):
        return kind.unit_of(value)
    return kind.nearest(value) if kind.step is not None and not kind.log else value


def _frozen(space: Space, history: Sequence[Observation]) -> list[FrozenTrial]:
    """The history as Optuna's trials, in index order."""
    kinds = {d.name: d.distribution for d in space.dimensions()}
    options = {d.name: d.options for d in space.dimensions()}
    seen = [told.value for told in history if told.outcome == "value" and told.value is not None]
    better_is_more = space.metric.mode == "max"
    worst = (min(seen) if better_is_more else max(seen)) if seen else 0.0
    result = []
    for told in history:
        if told.outcome == "none":
            continue
        params: dict[str, float] = {}
        distributions: dict[str, BaseDistribution] = {}
        for name, value in space.decode(told.parameters).items():
            _tell(name, kinds[name], options[name], value, params, distributions)
        value = worst if told.value is None else told.value
        result.append(
            create_trial(
                state=_STATES[told.outcome],
                value=value if _STATES[told.outcome] == TrialState.COMPLETE else None,
                params=params,
                distributions=distributions,
                intermediate_values={told.epoch: value} if told.outcome == "stopped" else {},
            )
        )
    return result


def _tell(
    name: str,
    kind: Distribution | None,
    options: int,
    value: object,
    params: dict[str, float],
    distributions: dict[str, BaseDistribution],
) -> None:
    """One dimension of an earlier trial."""
    if kind is None or isinstance(kind, Values):
        index = value if kind is None else kind.position(value)
        count = options if kind is None else len(kind.values)
        params[name] = index if isinstance(index, int) else 0
        distributions[name] = CategoricalDistribution(range(count))
        return
    if not isinstance(value, int | float):
        raise TypeError(f"{name}: a range holds numbers")
    if isinstance(kind, Range) and kind.zero > 0:
        params[name + _ZERO] = int(value == 0)
        distributions[name + _ZERO] = CategoricalDistribution(range(2))
        if value == 0:
            return
    params[name] = _inside(kind, value)
    distributions[name] = _inner(kind)


class Alone:
    """Optuna by itself, with its own pruner and no rule about who waits: for comparison only."""

    def __init__(self, space: Space, *, grace_period: int, reduction_factor: int) -> None:
        self._space = space
        self._study = optuna.create_study(
            direction="maximize" if space.metric.mode == "max" else "minimize",
            sampler=optuna.samplers.TPESampler(seed=space.seed),
            pruner=optuna.pruners.SuccessiveHalvingPruner(
                min_resource=grace_period, reduction_factor=reduction_factor
            ),
        )
        self._asked: list[Trial] = []

    def ask(self) -> tuple[int, Flat]:
        """The next trial's number and configuration."""
        asked = self._study.ask()
        self._asked.append(asked)
        return asked.number, self._space.flat(lambda node: _pick(asked, node))

    def report(self, trial: int, epoch: int, value: float) -> bool:
        """Tell an epoch; whether to go on."""
        self._asked[trial].report(value, epoch)
        return not self._asked[trial].should_prune()

    def tell(self, trial: int, value: float | None) -> None:
        """Tell its end; None where it was pruned."""
        state = TrialState.PRUNED if value is None else TrialState.COMPLETE
        self._study.tell(self._asked[trial], value, state)
