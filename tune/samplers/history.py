"""An earlier trial as samplers see it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

ObservationKind = Literal["value", "stopped", "worst", "pending", "none"]


@dataclass(frozen=True, slots=True)
class Observation:
    """The configuration and the outcome of an earlier trial.

    Attributes:
        parameters: flat configuration.
        outcome: ``value``: its metric is known; ``stopped``: early termination ended it before the
            rung at which the others were measured; ``worst``: it diverged; ``pending``: not known
            yet; ``none``: it ended without a value to learn from (for example it failed).
        value: with ``value``, and with ``stopped`` if it is finite.
        epoch: with ``stopped``: the epoch at which it ended; with ``value``, for a sampler that
            learns from every rung: the epoch of the rung.
    """

    parameters: Mapping[str, object]
    outcome: ObservationKind = "pending"
    value: float | None = None
    epoch: int = 0
