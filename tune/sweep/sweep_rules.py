"""The few numbers of a space that the state machine decides by."""

from dataclasses import dataclass
from typing import Literal

from genretune.tune.space.settings import Asha, TpeSampler
from genretune.tune.space.space import Space

Mode = Literal["max", "min"]


@dataclass(frozen=True)
class SweepRules:
    """
    Attributes:
        epochs: of a trial that nothing ends before.
        mode: whether more is better or less.
        levels: epochs of bracket 0's rungs, all below ``epochs``; bracket b has those from the
            b-th on. Empty without early termination.
        factor: one trial in ``factor`` goes on.
        arrival: classical order instead of index order.
        lag: tpe's, else None.
    """

    epochs: int
    mode: Mode
    levels: tuple[int, ...] = ()
    factor: int = 3
    brackets: int = 1
    arrival: bool = False
    lag: int | None = None

    def bracket(self, trial: int) -> int:
        """Depends on nothing but the index."""
        return trial % self.brackets

    def rungs(self, trial: int) -> tuple[int, ...]:
        """The epochs at which the trial is compared."""
        return self.levels[self.bracket(trial) :]

    def better(self, one: float | None, other: float | None) -> bool:
        """Whether a value is strictly better; nothing is worse than a value that is not finite."""
        if one is None or other is None:
            return one is not None
        return one > other if self.mode == "max" else one < other


def rules_from_space(space: Space) -> SweepRules:
    """The rules in a space."""
    early = space.early_terminate
    lag = space.sampler.lag if isinstance(space.sampler, TpeSampler) else None
    if not isinstance(early, Asha):
        return SweepRules(space.epochs, space.metric.mode, lag=lag)
    levels = []
    level = early.grace_period
    while level < space.epochs:
        levels.append(level)
        level *= early.reduction_factor
    return SweepRules(
        epochs=space.epochs,
        mode=space.metric.mode,
        levels=tuple(levels),
        factor=early.reduction_factor,
        brackets=early.brackets,
        arrival=early.order == "arrival",
        lag=lag,
    )
