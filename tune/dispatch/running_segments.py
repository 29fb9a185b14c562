"""The segments that run now: one table, by Ray's id of the segment and by trial.

A segment is one Ray trial: it trains one of our trials from a checkpoint to a rung or to its end.
Ray never uses an id twice, so a late message of a segment that was given up finds no entry.
"""

import time
from collections.abc import Iterator, KeysView
from dataclasses import dataclass, field
from typing import Protocol

from genretune.tune.dispatch.messages import Progress, SegmentError


class SegmentHandle(Protocol):
    """What the driver can ask of Ray about one segment."""

    def has_worker(self) -> bool:
        """Return whether a process runs it."""

    def node_id(self) -> str | None:
        """Return Ray's id of the node of that process; None while it is not known."""

    def has_ended(self) -> bool:
        """Return whether Ray has ended it."""

    def why_ended(self) -> str:
        """Return what Ray says of its end, in one line."""

    def kill(self) -> None:
        """Kill its worker process."""

    def abandon(self, why: str) -> None:
        """Let Ray end it although its worker does not answer."""


@dataclass
class RunningSegment:
    """One segment.

    Attributes:
        id: Ray's trial id.
        trial: our trial's index.
        handle: None until Ray has made a trial of it.
        node_id: Ray's id of the node of its worker; None before it has one.
        ordered_at: when (s, monotonic) it was ordered.
        excluded: ids of the nodes that its order excludes.
        withdrawn: whether it was taken back before it had a worker.
        heard_at: when (s, monotonic) its worker started or last sent a message; None before.
        has_spoken: whether its worker has sent a message.
        progress: what its worker said last of how far it is.
        error: what its worker is about to end by.
        killed_at: when (s, monotonic) its worker was killed for hanging.
    """

    id: str
    trial: int
    handle: SegmentHandle | None = None
    node_id: str | None = None
    ordered_at: float = field(default_factory=time.monotonic)
    excluded: frozenset[str] = frozenset()
    withdrawn: bool = False
    heard_at: float | None = None
    has_spoken: bool = False
    progress: Progress | None = None
    error: SegmentError | None = None
    killed_at: float | None = None


class RunningSegments:
    """The table; at most one segment a trial."""

    def __init__(self) -> None:
        self._by_id: dict[str, RunningSegment] = {}
        self._by_trial: dict[int, RunningSegment] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[RunningSegment]:
        return iter(list(self._by_id.values()))  # a copy: callers remove while they iterate

    @property
    def trials(self) -> KeysView[int]:
        """The trials whose worker has not let go of them."""
        return self._by_trial.keys()

    def with_worker(self) -> list[int]:
        """Return the trials that a process runs; the others wait for a node."""
        return [one.trial for one in self if one.handle is not None and one.handle.has_worker()]

    def add(self, segment_id: str, trial: int) -> RunningSegment:
        """Add a segment.

        Raises:
            ValueError: the trial has one already.
        """
        if trial in self._by_trial:
            raise ValueError(f"trial {trial} already runs as segment {self._by_trial[trial].id}")
        segment = RunningSegment(segment_id, trial)
        self._by_id[segment_id] = self._by_trial[trial] = segment
        return segment

    def get(self, segment_id: str) -> RunningSegment | None:
        """Return a segment; None if it is over or was given up."""
        return self._by_id.get(segment_id)

    def remove(self, segment: RunningSegment) -> None:
        """Remove a segment: its trial can run again."""
        del self._by_id[segment.id]
        del self._by_trial[segment.trial]
