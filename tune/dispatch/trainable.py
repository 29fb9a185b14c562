"""Ray's trainable, as the driver sees it: torch is imported on the worker only."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def run_segment(order: Mapping[str, Any]) -> None:
    """One segment of one trial; see ``worker.work``."""
    from genretune.tune.dispatch.worker import work

    work(order)


def order_for(run: Path, **rest: Any) -> dict[str, Any]:
    """The order of one segment: plain JSON values, so that nothing of ours is pickled."""
    return dict(json.loads(json.dumps({"run": str(run), **rest})))
