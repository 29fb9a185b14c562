"""The messages between driver and worker: typed here, plain JSON at Ray's border.

Ray passes a trial's config to a worker and result dictionaries back. Only JSON values cross, so
that nothing of ours is pickled. Imports neither Ray nor torch.
"""

import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from genretune.tune.errors import RunFailure

_TOLERANT = ConfigDict(extra="ignore")  # Ray adds keys of its own to results


@dataclass(frozen=True, slots=True)
class SegmentOrder:
    """Driver to worker: train a trial from its checkpoint until told to stop.

    Attributes:
        trial: its index.
        attempt: how many segments of the trial were given up before; later writes of those are
            rejected by it, as those of older drivers are by ``generation``.
        parameters, seed: of the trial.
        metric: the column that is reported as the value.
        run: the run directory; empty where ``storage`` is given.
        storage: URI in S3 of checkpoints and records; None for the run directory.
        store: path of the packed corpus on the driver's machine.
        plugins: paths of the plug-in files.
        io_timeout: seconds to retry failing storage.
        bundle: resources that the segment reserves, by Ray's names.
        machine_class: the one that the trial is bound to, if any.
        excluded_nodes: ids of nodes of other machine classes.
        rungs: epochs at which the trial may be held or stopped.
        checkpoint_every: seconds of training that may be lost; see ``CheckpointSchedule``.
    """

    __pydantic_config__ = _TOLERANT
    trial: int
    generation: int
    attempt: int
    parameters: dict[str, Any]
    seed: int
    metric: str
    store: str
    io_timeout: float
    bundle: dict[str, float]
    run: str = ""
    storage: str | None = None
    plugins: tuple[str, ...] = ()
    machine_class: str | None = None
    excluded_nodes: tuple[str, ...] = ()
    rungs: tuple[int, ...] = ()
    checkpoint_every: float = 0.0
    kind: Literal["order"] = "order"


@dataclass(frozen=True, slots=True)
class EpochReport:
    """Worker to driver: an epoch is trained, and a checkpoint of it or of a later one is on disk.

    Attributes:
        epoch: counts from 1.
        value: the sweep's metric; may be NaN or infinite.
        weights_sha256: digest of the weights after it.
        seconds: wall time of the epoch.
    """

    __pydantic_config__ = _TOLERANT
    epoch: int
    value: float
    weights_sha256: str
    seconds: float
    kind: Literal["epoch"] = "epoch"


@dataclass(frozen=True, slots=True)
class Progress:
    """Worker to driver, now and then: the segment trains on. Never journaled.

    Attributes:
        host: name of the worker's machine.
        device: on which it trains.
        epoch: the last one that is trained; its report comes once it is safe. 0 before the first.
        seconds: wall time of that epoch; None before the first.
        device_bytes, process_bytes: peak memory of the segment so far, on the device and of the
            process; None where it is not known.
    """

    __pydantic_config__ = _TOLERANT
    host: str
    device: str
    epoch: int = 0
    seconds: float | None = None
    device_bytes: int | None = None
    process_bytes: int | None = None
    kind: Literal["progress"] = "progress"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Worker to driver: this node must not run the segment; nothing was trained or lost."""

    __pydantic_config__ = _TOLERANT
    why: str
    kind: Literal["refusal"] = "refusal"


@dataclass(frozen=True, slots=True)
class SegmentError:
    """Worker to driver, before its process ends by it: an error that may not be the trial's.

    Attributes:
        error: type of the exception.
        epoch: in which it was raised, from 1.
        process: host and pid of the worker.
        why: in one line.
    """

    __pydantic_config__ = _TOLERANT
    error: str
    epoch: int
    process: str
    why: str
    kind: Literal["error"] = "error"


@dataclass(frozen=True, slots=True)
class TrialEnd:
    """Worker to driver: the trial ended for a reason of its own, after ``epochs`` epochs."""

    __pydantic_config__ = _TOLERANT
    status: Literal["completed", "diverged", "failed"]
    epochs: int
    why: str
    kind: Literal["end"] = "end"


WorkerMessage = EpochReport | Progress | Refusal | SegmentError | TrialEnd
Message = SegmentOrder | WorkerMessage

_ADAPTER: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Field(discriminator="kind")])


def to_json(message: Message) -> dict[str, Any]:
    """Return the message as plain JSON values, without fields at their default.

    Ray copies every key of a config several times and keeps it for as long as the driver runs.
    """
    defaults = {field.name: field.default for field in fields(message) if field.name != "kind"}
    values = asdict(message)
    sent = {name: value for name, value in values.items() if value != defaults.get(name, MISSING)}
    return dict(json.loads(json.dumps(sent)))


def is_message(values: Mapping[str, Any]) -> bool:
    """Return whether ``values`` is one of ours; Ray sends results of its own, too."""
    return "kind" in values


def from_json(values: Mapping[str, Any]) -> Message:
    """Return the message that ``to_json`` made; keys that Ray has added are ignored.

    Raises:
        RunFailure: it is none.
    """
    try:
        return _ADAPTER.validate_python(dict(values))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        raise RunFailure(
            f"message between driver and worker: {key}: {first['msg']}, got {first['input']!r}"
        ) from None
