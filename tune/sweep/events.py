"""The events of a sweep; its journal is a list of them, one JSON object per line.

The events of one trial are in order: created, report 1, 2, ..., ended; the verdict at a rung
follows the report of that epoch and precedes the next report. Events of different trials may
interleave in any way, but a verdict follows all events that it is derived from.
"""

import json
from dataclasses import dataclass, field
from typing import Annotated, Literal, NoReturn

from pydantic import ConfigDict, Field, TypeAdapter

MIXED = "mixed"
"""The machine class in the environment of a driver whose sweep runs on several."""

OwnEnd = Literal["completed", "diverged", "failed"]
"""How a trial can end by itself."""

_STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


@dataclass(frozen=True, slots=True)
class Driver:
    """A driver process took over the sweep; no segment of the previous driver runs any more.

    Attributes:
        generation: 1 for the first driver, one more for each later one.
        environment: versions, code digest and machine class.
    """

    __pydantic_config__ = _STRICT
    generation: int
    host: str
    pid: int
    environment: dict[str, object] = field(default_factory=dict)
    event: Literal["driver"] = "driver"


@dataclass(frozen=True, slots=True)
class Created:
    """A trial was created.

    Attributes:
        trial: its index, from 0 without gaps.
        parameters: flat configuration.
        seed: of its training.
    """

    __pydantic_config__ = _STRICT
    trial: int
    parameters: dict[str, object]
    seed: int
    event: Literal["created"] = "created"


@dataclass(frozen=True, slots=True)
class Report:
    """A trial finished an epoch.

    Attributes:
        epoch: from 1.
        value: the sweep's metric after the epoch; None if it is not finite.
        weights_sha256: digest of the weights after the epoch.
    """

    __pydantic_config__ = _STRICT
    trial: int
    epoch: int
    value: float | None
    weights_sha256: str
    event: Literal["report"] = "report"


@dataclass(frozen=True, slots=True)
class Compared:
    """The comparison behind a verdict.

    Attributes:
        value: the trial's best metric up to the rung.
        place: its rank, from 1.
        of: number of values compared, including its own.
        go_on: how many of them are promoted.
        last_in: the trial with the last promoted rank.
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
    """ASHA's decision on a trial at a rung.

    Attributes:
        rung: the epoch of the rung.
        verdict: ``continue``: promoted; ``stop``: the trial is final.
    """

    __pydantic_config__ = _STRICT
    trial: int
    rung: int
    verdict: Literal["continue", "stop"]
    compared: Compared
    event: Literal["verdict"] = "verdict"


@dataclass(frozen=True, slots=True)
class Ended:
    """A trial ended by itself: after its last epoch, by patience, by divergence or by an error.

    Attributes:
        epochs: finished by then.
    """

    __pydantic_config__ = _STRICT
    trial: int
    status: OwnEnd
    epochs: int
    why: str
    event: Literal["ended"] = "ended"


@dataclass(frozen=True, slots=True)
class Lost:
    """A trial's worker was lost to an infrastructure failure; the trial stays open.

    Attributes:
        generation: of the driver at that time.
        epochs: reported by then.
        node_left: whether the worker's node left the cluster, so that the trial did not cause it.
    """

    __pydantic_config__ = _STRICT
    trial: int
    why: str
    generation: int
    epochs: int
    node_left: bool = False
    event: Literal["lost"] = "lost"


@dataclass(frozen=True, slots=True)
class GiveUp:
    """A trial was declared failed by the user or their rule, with the epochs reported by then."""

    __pydantic_config__ = _STRICT
    trial: int
    epochs: int
    why: str
    event: Literal["give_up"] = "give_up"


@dataclass(frozen=True, slots=True)
class Stop:
    """The user stopped a trial, with the epochs reported by then.

    Without a trial, the user drained the sweep: no segment starts until the next driver.
    """

    __pydantic_config__ = _STRICT
    trial: int | None
    epochs: int
    event: Literal["stop"] = "stop"


@dataclass(frozen=True, slots=True)
class Extended:
    """The sweep was extended to ``trials`` trials in total."""

    __pydantic_config__ = _STRICT
    trials: int
    event: Literal["extended"] = "extended"


@dataclass(frozen=True, slots=True)
class Exhausted:
    """The space has only ``trials`` different configurations, so the sweep ends there."""

    __pydantic_config__ = _STRICT
    trials: int
    event: Literal["exhausted"] = "exhausted"


Event = Driver | Created | Report | Verdict | Ended | Lost | GiveUp | Stop | Extended | Exhausted

_ADAPTER: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="event")])


def to_line(event: Event) -> str:
    """Return an event as one line of the journal, without the newline; floats round-trip."""
    fields = _ADAPTER.dump_python(event)
    line = {"event": fields.pop("event"), **fields}
    return json.dumps(line, separators=(",", ":"), allow_nan=False)


def from_line(line: str | bytes) -> Event:
    """Return the event of a line of the journal.

    Raises:
        ValueError: not JSON, or not an event (then a pydantic.ValidationError).
    """
    text = line if isinstance(line, bytes) else line.encode()
    # pydantic accepts NaN and Infinity inside ``parameters``, where types are not declared
    if b"NaN" in text or b"Infinity" in text:
        json.loads(text, parse_constant=_refuse_constant)
    return _ADAPTER.validate_json(text)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not valid JSON")
