"""What is done to a trial's folder once the trial is over: its last word, and its checkpoints.

The driver does it while no worker has the trial; it needs no torch for that.
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

_SAVED = "[0-9]*.safetensors"
_BEST = "best.safetensors"


def close_trial(run: RunDir, trial: TrialState, rules: SweepRules, keep: Keep) -> None:
    """Drop what need not be kept, then let the trial's own record say why it ended.

    Raises:
        OSError: the folder cannot be written.
    """
    folder = run.trial_path(trial.index)
    for path in surplus_checkpoints(folder, trial.status, keep):
        path.unlink(missing_ok=True)
    result = readable_result(folder)
    if result is None:
        return
    told = {"status": trial.status, "why": leaderboard_row(trial, rules).why}
    if {key: result.get(key) for key in told} != told:
        text = json.dumps(result | told, indent=1, allow_nan=False) + "\n"
        write_atomically(folder / "result.json", text.encode())


def readable_result(folder: Path) -> dict[str, Any] | None:
    """``result.json`` of a trial; None without one that can be read."""
    try:
        return untrusted.read_result(folder)
    except DamagedRecord:
        return None


def surplus_checkpoints(folder: Path, status: str | None, keep: Keep) -> list[Path]:
    """Checkpoints of a trial that need not be kept; of an open trial none."""
    if status is None or keep == "all":
        return []
    saved = sorted((folder / "checkpoints").glob(_SAVED))
    best = [folder / "checkpoints" / _BEST]
    if status != "completed" or keep == "none":
        return _existing([*saved, *best])
    return saved if keep == "best" else saved[:-1]


def epochs_to_keep(folder: Path, status: str | None, keep: Keep) -> set[int] | None:
    """Return the epochs whose checkpoints stay, for a trial in S3; None for all."""
    if status is None or keep == "all":
        return None
    result = readable_result(folder)
    if status != "completed" or keep == "none" or result is None:
        return set()
    best = {int(result["best_epoch"])}
    return best if keep == "best" else {*best, len(result["history"])}


def _existing(paths: Iterable[Path]) -> list[Path]:
    return [path for path in paths if path.exists()]
