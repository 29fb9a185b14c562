"""What a sampler is told about an earlier trial."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

ObservationKind = Literal["value", "stopped", "worst", "pending", "none"]


@dataclass(frozen=True, slots=True)
class Observation:
    """
    Attributes:
        parameters: flat configuration.
        outcome: ``value``: its metric is known; ``stopped``: early termination ended it before
            the others' metric was taken; ``worst``: it diverged; ``pending``: not known yet;
            ``none``: it ended without telling anything about its configuration.
        value: with ``value``, and with ``stopped`` where it is finite.
        epoch: with ``stopped``: when.
    """

    parameters: Mapping[str, object]
    outcome: ObservationKind = "pending"
    value: float | None = None
    epoch: int = 0
