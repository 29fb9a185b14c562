"""What runs now: a file that the driver rewrites while it lives, for ``status`` and ``results``.

The journal does not say which segments run. This file does, and what no result depends on: hosts,
speed, memory, nodes that get no segments. It is only believed while its driver lives.
"""

import json
from dataclasses import asdict, dataclass, field

from pydantic import TypeAdapter, ValidationError

from genretune.tune.errors import DamagedRecord
from genretune.tune.storage.atomic_io import write_atomically
from genretune.tune.storage.run_dir import RunDir
from genretune.tune.storage.untrusted import read_json_object


@dataclass(frozen=True)
class RunningTrial:
    """A trial that a worker trains now.

    Attributes:
        trial: its index.
        host: name of the worker's machine; empty until it is known.
        device: on which it trains; empty before the first message of its segment.
        epoch: the last one trained, over all its segments, reported or not yet; 0 before the first.
        seconds: wall time of the last epoch of this segment; None before it.
        device_bytes, process_bytes: peak memory of the segment; None where it is not known.
    """

    trial: int
    host: str
    device: str
    epoch: int
    seconds: float | None = None
    device_bytes: int | None = None
    process_bytes: int | None = None


@dataclass(frozen=True)
class Running:
    """What runs under a driver.

    Attributes:
        generation: of the driver.
        concurrency: how many trials may run at once.
        waiting: trials whose segment waits for a node, by index.
        trials: those that workers train, by index.
        set_aside: why each of these nodes gets no segments for now, by its name.
    """

    generation: int
    concurrency: int
    waiting: tuple[int, ...] = ()
    trials: tuple[RunningTrial, ...] = ()
    set_aside: dict[str, str] = field(default_factory=dict)

    @property
    def indices(self) -> list[int]:
        """The trials that workers train."""
        return [one.trial for one in self.trials]


_ADAPTER = TypeAdapter(Running)


def write_running(run: RunDir, running: Running) -> None:
    """Write what runs now; not fsynced, since it is worth nothing after a crash.

    Raises:
        OSError: the file cannot be written.
    """
    write_atomically(run.running_json, json.dumps(asdict(running)).encode(), durable=False)


def read_running(run: RunDir) -> Running | None:
    """Return what runs now; None without a living driver, or before it has written it."""
    if not run.has_driver():
        return None
    try:
        running = _ADAPTER.validate_python(read_json_object(run.running_json))
    except (OSError, DamagedRecord, ValidationError):
        return None
    return running if running.generation == run.holder()["generation"] else None
