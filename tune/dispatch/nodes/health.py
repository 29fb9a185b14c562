"""Nodes that are set aside for a while: those that cannot describe themselves or lose segments.

A node that loses segments of several trials in a row has a fault of its own, and every trial sent
there would cost one of its retries. Imports neither Ray nor torch.
"""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

_FIRST_REST = 300.0  # s; twice as long each further time, up to the longest
_LONGEST_REST = 3600.0  # s


@dataclass(frozen=True)
class SetAside:
    """A node that gets no segments for now.

    Attributes:
        why: in one line.
        until: when (s, by the clock of ``NodeHealth``) it is tried again.
    """

    why: str
    until: float


@dataclass
class NodeHealth:
    """What happened on each node, by Ray's id."""

    clock: Callable[[], float] = time.monotonic
    _set_aside: dict[str, SetAside] = field(default_factory=dict)
    _times: dict[str, int] = field(default_factory=dict)
    _last_lost: dict[str, int] = field(default_factory=dict)  # trial, since the last report

    def set_aside(self, node_id: str, why: str) -> None:
        """Give a node no segments for a while."""
        rest = min(_FIRST_REST * 2.0 ** self._times.get(node_id, 0), _LONGEST_REST)
        self._times[node_id] = self._times.get(node_id, 0) + 1
        self._set_aside[node_id] = SetAside(why, self.clock() + rest)

    def lost(self, node_id: str, trial: int) -> None:
        """Note that a segment was lost on a node; the second in a row sets the node aside.

        Two losses of one trial count as one: the fault may be the trial's.
        """
        before = self._last_lost.setdefault(node_id, trial)
        if before != trial and not self.is_set_aside(node_id):
            del self._last_lost[node_id]
            why = f"lost two segments in a row, of trials {before} and {trial}"
            self.set_aside(node_id, why)

    def reported(self, node_id: str) -> None:
        """Note that a segment has trained an epoch on a node."""
        self._last_lost.pop(node_id, None)
        self._times.pop(node_id, None)

    def is_set_aside(self, node_id: str) -> bool:
        """Return whether a node gets no segments now."""
        return node_id in self.all_set_aside()

    def all_set_aside(self) -> dict[str, SetAside]:
        """Return the nodes that get no segments now, by id."""
        now = self.clock()
        self._set_aside = {key: one for key, one in self._set_aside.items() if one.until > now}
        return dict(self._set_aside)

    def keep(self, node_ids: Collection[str]) -> None:
        """Forget the nodes that have left, which are all but these."""
        for table in (self._set_aside, self._times, self._last_lost):
            for node_id in [one for one in table if one not in node_ids]:
                del table[node_id]
