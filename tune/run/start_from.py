"""Configurations of an earlier sweep as the first trials of a new one."""

import json
from collections.abc import Mapping
from pathlib import Path

from genretune.tune.errors import TuneError
from genretune.tune.run.results import read_state
from genretune.tune.space.problems import SpaceError
from genretune.tune.space.space import Space
from genretune.tune.space.tree import FlatConfig
from genretune.tune.storage.run_dir import RunDir
from genretune.tune.sweep.leaderboard import leaderboard


def start_from(path: Path, space: Space, top: int) -> tuple[str, list[str]]:
    """Return an override that lets a sweep start with the best trials of another one, and notes.

    Only configurations are taken over: their trials are trained again, on the new sweep's data and
    by its rules. A parameter that the new space does not have is left out, one that the old sweep
    did not have is drawn.

    Args:
        path: the run directory of the earlier sweep.
        space: of the new sweep, whose own ``start_with`` comes first.
        top: number of trials to take.

    Raises:
        TuneError: no run directory, or none of its best trials fits the space.
    """
    rows = [row for row in leaderboard(read_state(RunDir(path))) if row.value is not None][:top]
    fixed: list[FlatConfig] = [dict(one) for one in space.start_with]
    taken, notes = [], []
    for row in rows:
        config, left_out = _fitting(space, row.parameters)
        if not config or config in fixed:
            continue
        fixed.append(config)
        taken.append(row.trial)
        if left_out:
            keys = ", ".join(left_out)
            notes.append(f"--start-from: trial {row.trial} is taken without {keys}")
    if not taken:
        raise TuneError(
            f"--start-from: must have a trial with a value that fits the space, got none of {path}"
        )
    numbers = ", ".join(str(trial) for trial in taken)
    notes.insert(0, f"the sweep starts with the configurations of trials {numbers} of {path}")
    return f"start_with={json.dumps(fixed)}", notes


def _fitting(space: Space, parameters: Mapping[str, object]) -> tuple[FlatConfig, list[str]]:
    """Return the part of a configuration that lies in the space, and the keys left out."""
    config: FlatConfig = {}
    left_out = []
    known = [key for key, _ in space.parameters]
    for key in known:
        inside = {k: v for k, v in parameters.items() if k == key or k.startswith(f"{key}.")}
        try:
            space.decode(inside, partial=True)
        except SpaceError:
            left_out.append(key)
        else:
            config.update(inside)
    left_out += [
        name
        for name in parameters
        if not any(name == key or name.startswith(f"{key}.") for key in known)
    ]
    return config, left_out
