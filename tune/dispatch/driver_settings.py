"""How one driver works: its limits, and what its controller may ask about the cluster."""

from collections.abc import Callable
from dataclasses import dataclass, field

from genretune.tune.dispatch.nodes.health import NodeHealth
from genretune.tune.space.settings import Keep
from genretune.tune.storage.s3_run import S3Run


@dataclass(frozen=True)
class DriverSettings:
    """How this driver works; nothing here changes a result.

    Attributes:
        generation: of the driver.
        concurrency: segments at once, at the start.
        io_timeout: seconds to retry failing storage.
        hang_timeout: seconds without a message before a worker counts as hung.
        give_up_after: how many workers a trial may kill; None for any number.
        keep: which checkpoints of finished trials stay.
        check: raises ``Interrupted`` if the driver is to end; called while it waits.
        s3: where checkpoints and records lie, if not in the run directory.
        health: of the cluster's nodes.
        usable_nodes: returns how many nodes can run a trial of a machine class; None for any.
        is_alive: returns whether a node is in the cluster.
    """

    generation: int
    concurrency: int
    io_timeout: float = 600.0
    hang_timeout: float = 600.0
    keep: Keep = "usual"
    check: Callable[[], None] = lambda: None
    s3: S3Run | None = None
    give_up_after: int | None = None
    health: NodeHealth = field(default_factory=NodeHealth)
    usable_nodes: Callable[[str | None], int] = lambda machine_class: 1
    is_alive: Callable[[str], bool] = lambda node_id: True
