"""The job of a driver, as plain JSON: all that it needs to know without loading torch.

The command that prepares a sweep loads torch, the corpus and the plug-ins and checks them. It then
execs the driver, which only dispatches: half a gigabyte less for as long as the sweep runs.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from genretune.tune.dispatch.run_options import Resources, RunOptions


@dataclass(frozen=True)
class NewRun:
    """The first files of a run directory, which is created once the cluster has taken the job.

    Attributes:
        space_text: ``space.yaml`` as the user wrote it.
        sweep: ``sweep.json`` but for its environment, which the workers tell.
    """

    space_text: str
    sweep: Mapping[str, Any]


@dataclass(frozen=True)
class DriverJob:
    """One run of the driver of a sweep.

    Attributes:
        run: the run directory.
        new_run: what it begins with; None if it exists.
        peak_memory: estimate for the largest trial, in bytes; None if it is not known.
        device, level: of the sweep.
        resources: of a trial, resolved.
        store: path of the packed corpus.
        samples: digest of its samples.
        plugins: paths of the plug-in files.
        environment: of this machine, and of trials that run on it.
        options: how the sweep is run; its resources are those that the user asked for.
        trials: the total (``50``) or an increment (``+30``); None to leave the number as it is.
        give_up: lost trials to declare failed.
        strict_exit: exit with 3 if a trial failed or diverged.
    """

    run: str
    device: str
    level: str
    resources: Resources
    store: str
    samples: str
    plugins: tuple[str, ...]
    environment: Mapping[str, Any]
    options: RunOptions = field(default_factory=RunOptions)
    new_run: NewRun | None = None
    peak_memory: int | None = None
    trials: str | None = None
    give_up: tuple[int, ...] = ()
    strict_exit: bool = False

    def as_json(self) -> str:
        """Return the job as JSON text."""
        return json.dumps(asdict(self))


def job_from_json(text: str) -> DriverJob:
    """Return the job that ``as_json`` wrote."""
    facts = json.loads(text)
    options = facts.pop("options")
    if options["resources"] is not None:
        options["resources"] = Resources(**options["resources"])
    facts["resources"] = Resources(**facts["resources"])
    if facts["new_run"] is not None:
        facts["new_run"] = NewRun(**facts["new_run"])
    facts["plugins"], facts["give_up"] = tuple(facts["plugins"]), tuple(facts["give_up"])
    return DriverJob(**facts, options=RunOptions(**options))
