"""What can happen in a sweep; the journal is a list of these, one JSON object a line.

Events of one trial come in order: created, report 1, 2, ..., the verdict of a rung after its
report and before the next one, ended at the last. Those of different trials may interleave in any
way; a verdict comes after the events that it rests on.
"""

import json
from dataclasses import dataclass, field
from typing import Annotated, Literal, NoReturn

from pydantic import ConfigDict, Field, TypeAdapter

MIXED = "mixed"
"""In a driver's environment: the machine class of a sweep over several."""

_STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


@dataclass(frozen=True, slots=True)
class Driver:
    """A driver process took the sweep over; whatever ran under the one before is over."""

    __pydantic_config__ = _STRICT
    generation: int
    host: str
    pid: int
    environment: dict[str, object] = field(default_factory=dict)
    event: Literal["driver"] = "driver"


@dataclass(frozen=True, slots=True)
class Created:
    """Trial ``trial`` has its configuration."""

    __pydantic_config__ = _STRICT
    trial: int
    parameters: dict[str, object]
    seed: int
    event: Literal["created"] = "created"


@dataclass(frozen=True, slots=True)
class Report:
    """The trial has trained its ``epoch``-th epoch (from 1).

    Attributes:
        value: the sweep's metric after it; None where it is not finite.
        weights_sha256: digest of the weights after it.
    """

    __pydantic_config__ = _STRICT
    trial: int
    epoch: int
    value: float | None
    weights_sha256: str
    event: Literal["report"] = "report"


@dataclass(frozen=True, slots=True)
class Compared:
    """What a trial was compared with at a rung.

    Attributes:
        value: its best metric up to the rung.
        place: where it came among them, from 1.
        of: how many values there were, its own included.
        go_on: how many of them go on.
        last_in: the trial that holds the last place that goes on.
        last_value: that trial's value.
    """

    __pydantic_config__ = _STRICT
    value: float | None
    place: int
    of: int
    go_on: int
    last_in: int
    last_value: float | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a trial goes on from the rung at ``rung`` epochs."""

    __pydantic_config__ = _STRICT
    trial: int
    rung: int
    verdict: Literal["continue", "stop"]
    compared: Compared
    event: Literal["verdict"] = "verdict"


@dataclass(frozen=True, slots=True)
class Ended:
    """The trial came to its own end: by its last epoch, by patience, or by its own fault."""

    __pydantic_config__ = _STRICT
    trial: int
    status: Literal["completed", "diverged", "failed"]
    epochs: int
    why: str
    event: Literal["ended"] = "ended"


@dataclass(frozen=True, slots=True)
class Lost:
    """Infrastructure took the trial's worker; never final. ``epochs`` were reported by then."""

    __pydantic_config__ = _STRICT
    trial: int
    why: str
    generation: int
    epochs: int
    event: Literal["lost"] = "lost"


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The user declares a lost trial failed, with the epochs it has reported."""

    __pydantic_config__ = _STRICT
    trial: int
    epochs: int
    why: str
    event: Literal["give_up"] = "give_up"


@dataclass(frozen=True, slots=True)
class Stop:
    """The user stops one trial after the epochs it has reported.

    Without a trial the sweep is drained: no segment starts until the next driver.
    """

    __pydantic_config__ = _STRICT
    trial: int | None
    epochs: int
    event: Literal["stop"] = "stop"


@dataclass(frozen=True, slots=True)
class Extended:
    """The sweep now has ``trials`` trials."""

    __pydantic_config__ = _STRICT
    trials: int
    event: Literal["extended"] = "extended"


@dataclass(frozen=True, slots=True)
class Exhausted:
    """The space holds no more than ``trials`` different configurations, so the sweep ends there."""

    __pydantic_config__ = _STRICT
    trials: int
    event: Literal["exhausted"] = "exhausted"


Event = Driver | Created | Report | Verdict | Ended | Lost | GiveUp | Stop | Extended | Exhausted

_ADAPTER: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="event")])


def to_line(event: Event) -> str:
    """The event as one line of the journal, without its end; floats round-trip."""
    fields = _ADAPTER.dump_python(event)
    line = {"event": fields.pop("event"), **fields}
    return json.dumps(line, separators=(",", ":"), allow_nan=False)


def from_line(line: str | bytes) -> Event:
    """The event of a line.

    Raises:
        ValueError: not JSON, or not an event (a pydantic.ValidationError).
    """
    text = line if isinstance(line, bytes) else line.encode()
    if b"NaN" in text or b"Infinity" in text:  # pydantic takes them inside of parameters
        json.loads(text, parse_constant=_no_constant)
    return _ADAPTER.validate_json(text)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
