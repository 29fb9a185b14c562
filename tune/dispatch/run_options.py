"""The options of a driver: how a sweep is run. None changes a result; imports no Ray, no torch."""

from collections.abc import Mapping
from dataclasses import dataclass

from genretune.tune.space.settings import Keep


@dataclass(frozen=True)
class Resources:
    """What Ray reserves for one trial; not part of its configuration.

    Attributes:
        cpu, gpu: number of each; fractions are allowed.
    """

    cpu: float = 1.0
    gpu: float = 0.0

    def trials_within(self, total: Mapping[str, float]) -> int:
        """Return how many trials fit at once into ``total``, a node's resources by Ray's names."""
        by_cpu = total.get("CPU", 0.0) // self.cpu if self.cpu else float("inf")
        by_gpu = total.get("GPU", 0.0) // self.gpu if self.gpu else float("inf")
        return int(min(by_cpu, by_gpu, 1e6))  # bounded: a trial may reserve nothing


@dataclass(frozen=True)
class RunOptions:
    """The options of a driver.

    Attributes:
        address: ``local``, ``auto`` or ``HOST:PORT``.
        concurrency: number of concurrent trials; None for as many as fit.
        resources: of one trial; None for its threads, and one GPU if it trains on CUDA.
        takeover: take the run directory from a driver on another host.
        until: time limit (s since 1970): no segment starts after it, and running trials end at
            their next epoch.
        hang_timeout: seconds without a report before a worker counts as hung.
        io_timeout: seconds to retry failing storage.
        keep: which checkpoints of finished trials are kept; None for the space's rule.
        machine_class: any unique part of the name of the machine class to run on.
        allow_mixed: allow several machine classes, one for each trial.
        accept_environment: resume despite a changed machine class, version or code.
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
