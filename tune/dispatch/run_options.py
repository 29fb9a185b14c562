"""How a sweep is run; nothing here changes a result. Imports neither Ray nor torch."""

from collections.abc import Mapping
from dataclasses import dataclass

from genretune.tune.space.settings import Keep


@dataclass(frozen=True)
class Resources:
    """What Ray reserves for one trial; no part of its configuration."""

    cpu: float = 1.0
    gpu: float = 0.0

    def fits(self, total: Mapping[str, float]) -> int:
        """How many trials fit into ``total`` at once."""
        by_cpu = total.get("CPU", 0.0) // self.cpu if self.cpu else float("inf")
        by_gpu = total.get("GPU", 0.0) // self.gpu if self.gpu else float("inf")
        return int(min(by_cpu, by_gpu, 1e6))


@dataclass(frozen=True)
class RunOptions:
    """The options of a driver.

    Attributes:
        address: ``local``, ``auto`` or ``HOST:PORT``.
        concurrency: trials at once; None for as many as fit.
        resources: of one trial; None for its threads, and a GPU where it trains on one.
        takeover: take the run directory from a driver on another host.
        until: start nothing new after this time (s since 1970), and end each running trial at its
            epoch.
        heartbeat: the shortest silence (s) of a worker that counts as a hang.
        patience: how long (s) to wait for storage that refuses.
        keep: which checkpoints of finished trials stay; None for what the space says.
        machine_class: part of the name of the machine class to keep to.
        allow_mixed: let trials run on several classes, each trial on one.
        accept_environment: go on although the environment has changed.
        storage: URI in S3 of checkpoints and records; None for the run directory.
    """

    address: str = "local"
    concurrency: int | None = None
    resources: Resources | None = None
    takeover: bool = False
    until: float | None = None
    hang_timeout: float = 600.0
    io_timeout: float = 600.0
    keep: Keep | None = None
    machine_class: str | None = None
    allow_mixed: bool = False
    accept_environment: bool = False
    storage: str | None = None
