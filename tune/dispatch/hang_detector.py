"""Detection of hung segments: a worker, or its node, that is silent without being dead.

A worker reports nothing between two epochs, so what counts as silence depends on how long epochs
take.
"""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from genretune.tune.dispatch.running_segments import RunningSegment

_EPOCHS = 20.0
_STARTING = 6.0


@dataclass
class HangDetector:
    """Times segments from the start of their worker and from each report.

    Attributes:
        hang_timeout: seconds without a report before a worker counts as hung, and at least 20 times
            the longest epoch so far. Before the first report, while the worker starts, it has 6
            times as long. Each hang of a trial doubles its limits, so that a trial with slow epochs
            is not killed for ever.
    """

    hang_timeout: float
    clock: Callable[[], float] = time.monotonic
    _hangs: Counter[int] = field(default_factory=Counter)

    def reported(self, segment: RunningSegment) -> None:
        """Note a report."""
        segment.heard_at = self.clock()
        segment.reported = True

    def is_hung(self, segment: RunningSegment, longest_epoch: float) -> bool:
        """Return whether a segment with a worker has been silent for too long.

        Args:
            longest_epoch: seconds of the longest epoch seen so far.
        """
        now = self.clock()
        if segment.heard_at is None:
            segment.heard_at = now
        timeout = self.hang_timeout if segment.reported else _STARTING * self.hang_timeout
        limit = max(timeout, _EPOCHS * longest_epoch)
        return now - segment.heard_at > limit * 2.0 ** self._hangs[segment.trial]

    def given_up(self, trial: int) -> None:
        """Note that a hung segment of the trial was given up."""
        self._hangs[trial] += 1
