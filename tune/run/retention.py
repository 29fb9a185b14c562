"""What happens to a trial's folder once the trial is final: its record and its checkpoints.

A driver does this while no worker holds the trial. Needs no torch.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from genretune.tune.errors import DamagedRecord
from genretune.tune.space.settings import Keep
from genretune.tune.storage import untrusted
from genretune.tune.storage.atomic_io import write_atomically
from genretune.tune.storage.run_dir import RunDir
from genretune.tune.sweep.leaderboard import leaderboard_row
from genretune.tune.sweep.state import TrialState
from genretune.tune.sweep.sweep_rules import SweepRules

_EPOCH_CHECKPOINTS = "[0-9]*.safetensors"
_BEST_CHECKPOINT = "best.safetensors"


def close_trial(run: RunDir, trial: TrialState, rules: SweepRules, keep: Keep) -> None:
    """Delete surplus checkpoints, then write into the record how and why the trial ended.

    May be repeated: a driver that was killed in between leaves the rest to the next one.

    Raises:
        OSError: the folder cannot be written.
    """
    folder = run.trial_path(trial.index)
    for path in surplus_checkpoints(folder, trial.status, keep):
        path.unlink(missing_ok=True)
    result = readable_result(folder)
    if result is None:
        return
    # The worker knows neither a verdict nor what the user did, so the journal is authoritative.
    ending = {"status": trial.status, "why": leaderboard_row(trial, rules).why}
    if {key: result.get(key) for key in ending} != ending:
        text = json.dumps(result | ending, indent=1, allow_nan=False) + "\n"
        write_atomically(folder / "result.json", text.encode())


def readable_result(folder: Path) -> dict[str, Any] | None:
    """Return ``result.json`` of a trial; None if it is missing or damaged."""
    try:
        return untrusted.read_result(folder)
    except DamagedRecord:
        return None


def surplus_checkpoints(folder: Path, status: str | None, keep: Keep) -> list[Path]:
    """Return the checkpoints of a trial that need not be kept; none while it is open.

    Args:
        status: final status of the trial; None while it is open.
    """
    if status is None or keep == "all":
        return []
    by_epoch = sorted((folder / "checkpoints").glob(_EPOCH_CHECKPOINTS))
    best = folder / "checkpoints" / _BEST_CHECKPOINT
    if status != "completed" or keep == "none":
        return _existing([*by_epoch, best])
    return by_epoch if keep == "best" else by_epoch[:-1]


def epochs_to_keep(folder: Path, status: str | None, keep: Keep) -> set[int] | None:
    """Return the epochs whose checkpoints are kept, for a trial in S3; None for all.

    Args:
        status: final status of the trial; None while it is open.
    """
    if status is None or keep == "all":
        return None
    result = readable_result(folder)
    if status != "completed" or keep == "none" or result is None:
        return set()
    best = {int(result["best_epoch"])}
    return best if keep == "best" else {*best, len(result["history"])}


def _existing(paths: Iterable[Path]) -> list[Path]:
    return [path for path in paths if path.exists()]
