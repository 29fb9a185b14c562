"""When the epochs of a segment are saved, and when they are reported: once they are safe."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from genretune.tune.training.config import TrialConfig
from genretune.tune.training.metrics import best_epoch
from genretune.tune.training.snapshot import Checkpoint
from genretune.tune.training.train import end_reason
from genretune.tune.trial.trial_dir import TrialDir

OnReport = Callable[[Mapping[str, Any]], bool]
OnTrained = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True)
class CheckpointSchedule:
    """Which epochs get a checkpoint, beside a trial's last one; changes no result.

    Attributes:
        every: seconds of training that a kill may cost, or one epoch, if that is longer; 0 for a
            checkpoint after every epoch.
        rungs: epochs that always get one, because the trial may be held or stopped there.
    """

    every: float = 0.0
    rungs: tuple[int, ...] = ()

    def is_due(self, epoch: int, *, unsaved: float, seconds: float) -> bool:
        """Return whether an epoch gets a checkpoint.

        Args:
            unsaved: seconds since the last checkpoint.
            seconds: duration of the epoch; the next one is expected to take as long.
        """
        return epoch in self.rungs or unsaved + seconds >= self.every


class EpochSaver:
    """Saves and reports the epochs of one segment.

    An epoch is reported once a checkpoint of it, or of a later epoch, is on disk: the driver
    journals reports, and the journal must not run ahead of what a trial can resume from. Until then
    its weights are held in memory, so that they are there if training fails. So are those of the
    best epoch: its checkpoint is written before the one that follows it.

    Args:
        on_report: called with the record of every epoch, in order; returning False ends the
            segment.
        on_trained: called with the record of every epoch as soon as it is trained.
        clock: returns seconds.
    """

    def __init__(
        self,
        config: TrialConfig,
        trial_dir: TrialDir,
        schedule: CheckpointSchedule,
        *,
        on_report: OnReport,
        on_trained: OnTrained,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config, self._trial_dir, self._schedule = config, trial_dir, schedule
        self._on_report, self._on_trained, self._clock = on_report, on_trained, clock
        self._saved_at = clock()
        self._reported = 0
        self._newest: Checkpoint | None = None
        self._best: Checkpoint | None = None

    def resume(self, start: Checkpoint) -> bool:
        """Save and report the epochs of the checkpoint that a segment starts from.

        Saved again: the last segment may have died after it wrote the checkpoint and before the
        records or best.safetensors, which would then lag behind for good. Reported again: the
        driver may never have received these epochs. It ignores those that it knows, and a report
        with another digest reveals a resume that is not exact.

        Returns:
            Whether the segment goes on.
        """
        for record in start.history:
            self._on_trained(record)
        self._newest = start
        return self.flush()

    def add(self, checkpoint: Checkpoint) -> bool:
        """Take the state after an epoch; return whether the segment goes on."""
        self._newest = checkpoint
        if best_epoch(checkpoint.history, self._config.best.metric) == checkpoint.epoch:
            self._best = checkpoint
        self._on_trained(checkpoint.history[-1])
        return not self._is_due(checkpoint) or self.flush()

    def flush(self) -> bool:
        """Save and report what is not safe yet; return whether the segment goes on."""
        if self._newest is None:
            return True
        if self._best is not None and self._best.epoch < self._newest.epoch:
            self._trial_dir.save_epoch(self._config, self._best)
        self._trial_dir.save_epoch(self._config, self._newest)
        records = self._newest.history[self._reported :]
        self._newest = self._best = None
        self._saved_at = self._clock()
        for record in records:
            # Counted first: the driver may end the segment inside on_report.
            self._reported += 1
            if not self._on_report(record):
                return False
        return True

    def _is_due(self, checkpoint: Checkpoint) -> bool:
        epoch, kept = checkpoint.epoch, self._trial_dir.retention.every
        return (
            end_reason(self._config, checkpoint.history) is not None
            or (kept is not None and epoch % kept == 0)
            or self._schedule.is_due(
                epoch,
                unsaved=self._clock() - self._saved_at,
                seconds=checkpoint.history[-1]["seconds"],
            )
        )
