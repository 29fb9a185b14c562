"""What the state machine decides for a driver."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Reply = Literal["continue", "hold", "stop"]
"""To a report. hold: end the segment at this epoch's checkpoint; stop: the trial is final."""

CONTINUE: Reply = "continue"
HOLD: Reply = "hold"
STOP: Reply = "stop"
WAIT: Literal["wait"] = "wait"


@dataclass(frozen=True, slots=True)
class Segment:
    """Train this trial from its own checkpoint until a reply other than CONTINUE, or its end.

    Attributes:
        epochs: reported so far.
        new: the trial was created just now.
    """

    trial: int
    parameters: Mapping[str, object]
    seed: int
    epochs: int
    new: bool


@dataclass(frozen=True, slots=True)
class Done:
    """No segment is left to start.

    ``finished``: every trial is final. ``undecided``: some trials were lost too often, and the
    verdicts that depend on them are open. ``drained``: the sweep was asked to stop.
    """

    reason: Literal["finished", "undecided", "drained"]
