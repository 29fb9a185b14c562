"""What a driver needs to know of a sweep, without torch: it only dispatches.

The command that prepares a sweep loads torch, the corpus and the plug-ins, checks all of it, and
then becomes the driver by replacing itself: half a gigabyte less for as long as the sweep runs.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from genretune.tune.dispatch.run_options import Resources, RunOptions


@dataclass(frozen=True)
class DriverJob:
    """One drive of a sweep; plain JSON.

    Attributes:
        run: the run directory.
        device, level, threads: of the sweep.
        store: path of the pack of its samples; samples: their digest.
        plugins: paths of the plug-in files.
        environment: of this machine.
        options: how it is run.
        trials: ``50`` in all or ``+30`` more; None for as many as before.
        give_up: trials to declare failed.
        strict_exit: exit 3 where a trial failed or diverged.
    """

    run: str
    device: str
    level: str
    threads: int
    store: str
    samples: str
    plugins: tuple[str, ...]
    environment: Mapping[str, Any]
    options: RunOptions = field(default_factory=RunOptions)
    trials: str | None = None
    give_up: tuple[int, ...] = ()
    strict_exit: bool = False

    def as_json(self) -> str:
        return json.dumps(asdict(self))


def job_from_json(text: str) -> DriverJob:
    """The job that ``as_json`` wrote."""
    facts = json.loads(text)
    options = facts.pop("options")
    if options["resources"] is not None:
        options["resources"] = Resources(**options["resources"])
    facts["plugins"], facts["give_up"] = tuple(facts["plugins"]), tuple(facts["give_up"])
    return DriverJob(**facts, options=RunOptions(**options))
