"""Plain Optuna, the counterpart in the search benchmarks.

It uses Optuna's own pruner, and no suggestion waits for earlier trials, so its result depends on
the number of workers.
"""

import heapq
import math
import warnings
from typing import Literal

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import TPESampler
from optuna.trial import Trial, TrialState

from genretune.tune.samplers.tpe import suggest_value
from genretune.tune.space.settings import Asha
from genretune.tune.space.space import Space
from genretune.tune.space.tree import FlatConfig
from genretune.tune.sweep.simulate import TrialBehaviour

Sampler = Literal["default", "grouped"]


class PlainOptuna:
    """A study of Optuna with its TPE sampler and successive halving by the space's settings."""

    def __init__(self, space: Space, sampler: Sampler = "default", *, workers: int = 1) -> None:
        early = space.early_terminate
        if not isinstance(early, Asha):
            raise TypeError(f"early_terminate.type: must be asha, got {early.type}")
        self._space = space
        self._study = optuna.create_study(
            direction="maximize" if space.metric.mode == "max" else "minimize",
            sampler=_tpe_sampler(sampler, space.seed, workers),
            pruner=optuna.pruners.SuccessiveHalvingPruner(
                min_resource=early.grace_period, reduction_factor=early.reduction_factor
            ),
        )
        self._trials: list[Trial] = []

    def ask(self) -> tuple[int, FlatConfig]:
        """Return the number and the configuration of the next trial."""
        trial = self._study.ask()
        self._trials.append(trial)
        return trial.number, self._space.flat_config(lambda node: suggest_value(trial, node))

    def report(self, trial: int, epoch: int, value: float) -> bool:
        """Report the value of an epoch and return whether the trial continues."""
        self._trials[trial].report(value, epoch)
        return not self._trials[trial].should_prune()

    def tell(self, trial: int, value: float | None) -> None:
        """Report the final value of a trial; None if it was pruned."""
        state = TrialState.PRUNED if value is None else TrialState.COMPLETE
        self._study.tell(self._trials[trial], value, state)


def run_plain_optuna(
    study: PlainOptuna,
    space: Space,
    behaviour: TrialBehaviour,
    *,
    workers: int,
    epochs: int,
    overhead: float,
) -> tuple[list[tuple[int, float]], float]:
    """Search on a simulated clock, for a metric that is maximised.

    Epochs are reported to Optuna in the order in which they finish.

    Args:
        epochs: after how many epochs in all the search ends.
        overhead: seconds it takes to start a trial.

    Returns:
        (epochs so far, best value so far) after each epoch, and the seconds taken.
    """
    best, now = [(0, 0.0)], 0.0
    running: list[tuple[float, int, int, float, FlatConfig]] = []
    while best[-1][0] < epochs:
        while len(running) < workers:
            trial, parameters = study.ask()
            at = now + overhead + behaviour.seconds(trial, parameters, 1)
            heapq.heappush(running, (at, trial, 1, 0.0, parameters))
        now, trial, epoch, top, parameters = heapq.heappop(running)
        value = behaviour.value(trial, parameters, epoch)
        if math.isnan(value):
            study.tell(trial, 0.0)
            continue
        top = max(top, value)
        best.append((best[-1][0] + 1, max(top, best[-1][1])))
        if not study.report(trial, epoch, top):
            study.tell(trial, None)
        elif epoch == space.epochs:
            study.tell(trial, top)
        else:
            at = now + behaviour.seconds(trial, parameters, epoch + 1)
            heapq.heappush(running, (at, trial, epoch + 1, top, parameters))
    return best, now


def _tpe_sampler(sampler: Sampler, seed: int, workers: int) -> TPESampler:
    if sampler == "default":
        return TPESampler(seed=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return TPESampler(seed=seed, multivariate=True, group=True, constant_liar=workers > 1)
