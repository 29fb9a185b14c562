"""What is done to a trial's folder once the trial is over: its last word, and its checkpoints."""

from collections.abc import Iterable
from pathlib import Path

from genretune.tune.checkpoint import SUFFIX
from genretune.tune.dispatch.options import Keep
from genretune.tune.records import BEST, TrialFolder
from genretune.tune.sweep.leaderboard import row
from genretune.tune.sweep.rules import Rules
from genretune.tune.sweep.state import Trial


def close(folder: TrialFolder, trial: Trial, rules: Rules, keep: Keep) -> None:
    """Drop what need not be kept, then let the trial's own record say why it ended.

    Raises:
        StorageFailure: the folder cannot be written.
    """
    for path in surplus(folder.path, trial.status, keep):
        path.unlink(missing_ok=True)
    result = folder.result()
    if result is None:
        return
    told = {"status": trial.status, "why": row(trial, rules).why}
    if {key: result.get(key) for key in told} != told:
        folder.write_result(result | told)


def surplus(folder: Path, status: str | None, keep: Keep) -> list[Path]:
    """Checkpoints of a trial that need not be kept; of an open trial none."""
    if status is None or keep == "all":
        return []
    saved = sorted((folder / "checkpoints").glob(f"[0-9]*{SUFFIX}"))
    best = [folder / "checkpoints" / BEST]
    if status != "completed" or keep == "none":
        return _existing([*saved, *best])
    return saved if keep == "best" else saved[:-1]


def _existing(paths: Iterable[Path]) -> list[Path]:
    return [path for path in paths if path.exists()]
