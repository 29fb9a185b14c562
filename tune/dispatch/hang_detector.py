"""Finds segments that have fallen silent: a worker, or its node, that hangs without dying.

A worker says nothing between two epochs, so what is silence depends on how long epochs take.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

_EPOCHS = 20.0
_STARTING = 6.0


@dataclass
class HangDetector:
    """Times segments from their start and from each report.

    Attributes:
        heartbeat: the shortest silence (s) that counts. A segment is silent after this time or 20
            times the longest epoch so far, whichever is longer. Before its first report, while the
            worker starts, it has 6 times this time. Each silence of a trial doubles all this for
            that trial.
    """

    heartbeat: float
    clock: Callable[[], float] = time.monotonic
    _heard: dict[str, float] = field(default_factory=dict)
    _spoke: set[str] = field(default_factory=set)
    _silences: dict[int, int] = field(default_factory=dict)

    def heard(self, ray_id: str) -> None:
        """The segment has reported."""
        self._heard[ray_id] = self.clock()
        self._spoke.add(ray_id)

    def silent_for(self, trial: int, ray_id: str, longest_epoch: float) -> float | None:
        """Seconds of a segment's silence if they are too many; None otherwise."""
        now = self.clock()
        silence = now - self._heard.setdefault(ray_id, now)
        patience = self.heartbeat if ray_id in self._spoke else _STARTING * self.heartbeat
        limit = max(patience, _EPOCHS * longest_epoch)
        return silence if silence > limit * 2 ** self._silences.get(trial, 0) else None

    def gave_up(self, trial: int, ray_id: str) -> None:
        """The segment is not waited for any longer."""
        self._silences[trial] = self._silences.get(trial, 0) + 1
        self.over(ray_id)

    def over(self, ray_id: str) -> None:
        """The segment has ended."""
        self._heard.pop(ray_id, None)
        self._spoke.discard(ray_id)
