"""The few numbers of a search space that the state machine decides by."""

from dataclasses import dataclass

from genretune.tune.metric_names import Mode, score
from genretune.tune.space.settings import Asha
from genretune.tune.space.space import Space


@dataclass(frozen=True)
class SweepRules:
    """The rules of a sweep.

    Attributes:
        epochs: of a trial that runs to its end.
        mode: whether a higher or a lower value is better.
        rung_epochs: rungs of bracket 0, all below ``epochs``; bracket b has those from the b-th on.
            Empty without early termination.
        factor: the reduction factor: one trial in ``factor`` is promoted.
        brackets: how many brackets there are.
        arrival: compare in order of arrival instead of trial order.
        lag: of a sampler that learns from earlier trials, else None.
    """

    epochs: int
    mode: Mode
    rung_epochs: tuple[int, ...] = ()
    factor: int = 3
    brackets: int = 1
    arrival: bool = False
    lag: int | None = None

    def bracket(self, trial: int) -> int:
        """Return the bracket of a trial: a function of its index alone."""
        return trial % self.brackets

    def rungs(self, trial: int) -> tuple[int, ...]:
        """Return the epochs at which a trial is compared."""
        return self.rung_epochs[self.bracket(trial) :]

    def better(self, one: float | None, other: float | None) -> bool:
        """Return whether ``one`` is strictly better; None stands for a value that is not finite."""
        return score(one, self.mode) < score(other, self.mode)


def rules_from_space(space: Space) -> SweepRules:
    """Return the rules of a search space."""
    early = space.early_terminate
    lag = space.sampler.lag if space.sampler.needs_history else None
    if not isinstance(early, Asha):
        return SweepRules(space.epochs, space.metric.mode, lag=lag)
    return SweepRules(
        epochs=space.epochs,
        mode=space.metric.mode,
        rung_epochs=early.rung_epochs(space.epochs),
        factor=early.reduction_factor,
        brackets=early.brackets,
        arrival=early.order == "arrival",
        lag=lag,
    )
