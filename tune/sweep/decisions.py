"""What the state machine answers to a driver."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Reply = Literal["continue", "hold", "stop"]
CONTINUE: Reply = "continue"
HOLD: Reply = "hold"
STOP: Reply = "stop"
WAIT: Literal["wait"] = "wait"


@dataclass(frozen=True, slots=True)
class Segment:
    """Train this trial from its own checkpoint until a reply other than CONTINUE, or its end."""

    trial: int
    parameters: Mapping[str, object]
    seed: int
    epochs: int
    """Reported so far."""
    new: bool
    """Created just now."""


@dataclass(frozen=True, slots=True)
class Done:
    """Nothing is left to start.

    ``finished``: every trial is final. ``undecided``: some trials were lost too often, and what
    depends on them could not be decided. ``drained``: asked to stop.
    """

    reason: Literal["finished", "undecided", "drained"]
