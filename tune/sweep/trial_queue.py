"""Which trials can run, lowest first."""

import heapq
from collections.abc import Collection

from genretune.tune.sweep.state import State, TrialState


class TrialQueue:
    """Open trials that were held, lost or found in the journal.

    An entry may be out of date or stand twice: what counts is looked up when it is taken.
    """

    def __init__(self, state: State, retries: int) -> None:
        self._state = state
        self._retries = retries
        self._heap: list[int] = []
        self._held: set[int] = set()
        self.refill()

    def refill(self) -> None:
        """Sort every open trial anew into those that can run and those that are held."""
        self._heap, self._held = [], set()
        for trial in self._state.trials:
            if trial.final:
                continue
            if self._undecided(trial):
                self._held.add(trial.index)
            else:
                self._heap.append(trial.index)

    def hold(self, trial: int) -> None:
        """Its segment ends at a rung whose verdict is not known."""
        self._held.add(trial)

    def judged(self, trial: int) -> None:
        """A verdict is known; a trial that runs on with it is not put here."""
        if trial in self._held:
            self._held.discard(trial)
            self.put(trial)

    def put(self, trial: int) -> None:
        """Its worker is gone."""
        heapq.heappush(self._heap, trial)

    def take(self, busy: Collection[int]) -> TrialState | None:
        """The lowest trial that can run and is not busy."""
        aside: list[int] = []
        found: TrialState | None = None
        while self._heap and found is None:
            trial = self._state.trials[heapq.heappop(self._heap)]
            if not self.runnable(trial):
                continue
            if trial.index in busy:
                aside.append(trial.index)
            else:
                found = trial
        for index in aside:
            heapq.heappush(self._heap, index)
        return found

    def runnable(self, trial: TrialState) -> bool:
        """Open, not held, and not lost too often at this epoch in this driver generation."""
        if trial.final or self._undecided(trial):
            return False
        return trial.losses.count((self._state.generation, trial.epochs)) <= self._retries

    def _undecided(self, trial: TrialState) -> bool:
        return trial.undecided(self._state.rules.rungs(trial.index)) is not None
