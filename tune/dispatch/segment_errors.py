"""Errors that may be the trial's or the infrastructure's: where they repeat, they are the trial's.

A CUDA error can come from a bug of the model or from a broken context, out of memory on a shared
GPU from the model or from a neighbour. One process cannot tell, a second one can.
"""

from collections import defaultdict
from dataclasses import dataclass

from genretune.tune.dispatch.messages import SegmentError


@dataclass(frozen=True)
class _Seen:
    error: SegmentError
    node_id: str | None


class SegmentErrors:
    """The errors of the trials under this driver."""

    def __init__(self) -> None:
        self._seen: defaultdict[int, list[_Seen]] = defaultdict(list)

    def add(self, trial: int, error: SegmentError, node_id: str | None, *, nodes: int) -> bool:
        """Note an error; return whether it is the trial's own.

        It is if an error of its type was raised in the same epoch in another process before, and on
        another node where there is one.

        Args:
            nodes: how many nodes can run the trial.
        """
        repeats = any(
            (seen.error.error, seen.error.epoch) == (error.error, error.epoch)
            and seen.error.process != error.process
            and (nodes < 2 or seen.node_id != node_id)
            for seen in self._seen[trial]
        )
        self._seen[trial].append(_Seen(error, node_id))
        return repeats

    def nodes(self, trial: int) -> set[str]:
        """Return the nodes on which the trial has raised such errors."""
        return {seen.node_id for seen in self._seen.get(trial, ()) if seen.node_id is not None}
