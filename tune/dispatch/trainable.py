"""Ray's trainable as the driver sees it: torch is imported on the worker only."""

from collections.abc import Mapping
from typing import Any


def run_segment(order: Mapping[str, Any]) -> None:
    """Run one segment of one trial; see ``worker.work``.

    Args:
        order: a ``SegmentOrder`` as JSON: Ray calls it the trial's config.
    """
    from genretune.tune.dispatch.worker import work

    work(order)
