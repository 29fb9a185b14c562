"""The trials that can run, lowest first."""

import heapq
from collections.abc import Collection

from genretune.tune.sweep.state import State, TrialState


class TrialQueue:
    """Open trials whose segment ended: held at a rung, lost, or found in the journal.

    An entry may be outdated or occur twice: whether a trial can run is looked up when it is taken.

    Args:
        retries: losses without progress that a driver generation tolerates.
    """

    def __init__(self, state: State, retries: int) -> None:
        self._state = state
        self._retries = retries
        self._heap: list[int] = []
        self._held: set[int] = set()
        self.refill()

    def refill(self) -> None:
        """Rebuild the queue: sort all open trials into those that can run and those held."""
        self._heap, self._held = [], set()
        for trial in self._state.trials:
            if trial.final:
                continue
            if self._is_undecided(trial):
                self._held.add(trial.index)
            else:
                self._heap.append(trial.index)  # in index order, hence a heap

    def hold(self, trial: int) -> None:
        """Note that the trial's segment ends at a rung whose verdict is not known."""
        self._held.add(trial)

    def verdict_known(self, trial: int) -> None:
        """Queue the trial if it was held; one that trains on with the verdict is not queued."""
        if trial in self._held:
            self._held.discard(trial)
            self.put(trial)

    def put(self, trial: int) -> None:
        """Queue a trial that has lost its worker."""
        heapq.heappush(self._heap, trial)

    def take(self, busy: Collection[int]) -> TrialState | None:
        """Remove and return the lowest trial that can run and has no running segment."""
        aside: list[int] = []
        found: TrialState | None = None
        while self._heap and found is None:
            trial = self._state.trials[heapq.heappop(self._heap)]
            if not self.runnable(trial):
                continue
            if trial.index in busy:
                aside.append(trial.index)  # its worker has not released it yet
            else:
                found = trial
        for index in aside:
            heapq.heappush(self._heap, index)
        return found

    def runnable(self, trial: TrialState) -> bool:
        """Return whether it is open, not held, and not lost too often at its present epoch."""
        if trial.final or self._is_undecided(trial):
            return False
        return trial.losses.count((self._state.generation, trial.epochs)) <= self._retries

    def _is_undecided(self, trial: TrialState) -> bool:
        return trial.undecided(self._state.rules.rungs(trial.index)) is not None
