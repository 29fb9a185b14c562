"""Detection of hung segments: a worker, or its node, that is silent without being dead.

A worker that trains sends a sign of life about twice a minute, however long its epochs are.
"""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from genretune.tune.dispatch.running_segments import RunningSegment

_EPOCHS = 20.0
_START = 300.0  # s


@dataclass
class HangDetector:
    """Times segments from the start of their worker and from each message.

    Attributes:
        hang_timeout: seconds without a message before a worker counts as hung, and at least 20
            times the longest epoch so far; to start it has five minutes at least. Each hang of a
            trial doubles its limit, so that a trial whose steps or checkpoints are slow is not
            killed for ever.
    """

    hang_timeout: float
    clock: Callable[[], float] = time.monotonic
    _hangs: Counter[int] = field(default_factory=Counter)

    def heard(self, segment: RunningSegment) -> None:
        """Note a message."""
        segment.heard_at = self.clock()
        segment.has_spoken = True

    def is_hung(self, segment: RunningSegment, longest_epoch: float) -> bool:
        """Return whether a segment with a worker has been silent for too long.

        Args:
            longest_epoch: seconds of the longest epoch seen so far.
        """
        now = self.clock()
        if segment.heard_at is None:
            segment.heard_at = now
        limit = max(self.hang_timeout, _EPOCHS * longest_epoch)
        if not segment.has_spoken:
            limit = max(limit, _START)
        return now - segment.heard_at > limit * 2.0 ** self._hangs[segment.trial]

    def given_up(self, trial: int) -> None:
        """Note that a hung segment of the trial was given up."""
        self._hangs[trial] += 1
