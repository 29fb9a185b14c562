"""Plain Optuna, the counterpart in the search benchmark.

It uses Optuna's own pruner, and no suggestion waits for earlier trials, so its result depends on
the number of workers.
"""

import optuna
from optuna.trial import Trial, TrialState

from genretune.tune.samplers.tpe import suggest_value
from genretune.tune.space.space import Space
from genretune.tune.space.tree import FlatConfig


class PlainOptuna:
    """A study of Optuna with its default TPE sampler and successive halving."""

    def __init__(self, space: Space, *, grace_period: int, reduction_factor: int) -> None:
        self._space = space
        self._study = optuna.create_study(
            direction="maximize" if space.metric.mode == "max" else "minimize",
            sampler=optuna.samplers.TPESampler(seed=space.seed),
            pruner=optuna.pruners.SuccessiveHalvingPruner(
                min_resource=grace_period, reduction_factor=reduction_factor
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
