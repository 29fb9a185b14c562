"""What a sampler is told about an earlier trial."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Outcome = Literal["value", "worst", "pending", "none"]


@dataclass(frozen=True, slots=True)
class Told:
    """
    Attributes:
        parameters: flat configuration.
        outcome: ``value``: its metric is known; ``worst``: it diverged; ``pending``: not known
            yet; ``none``: it ended without telling anything about its configuration.
        value: with ``value`` only.
    """

    parameters: Mapping[str, object]
    outcome: Outcome = "pending"
    value: float | None = None
