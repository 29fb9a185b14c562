"""The options of a driver: how a sweep is run. None changes a result; imports no Ray, no torch."""

from collections.abc import Mapping
from dataclasses import dataclass

from genretune.tune.space.settings import Keep

_RAY_UNITS = 10_000  # Ray counts resources in ten-thousandths


@dataclass(frozen=True)
class Resources:
    """What Ray reserves for one trial; not part of its configuration.

    Attributes:
        cpu: number of CPUs, fractions allowed; None for the trial's threads.
        gpu: number of GPUs, a fraction up to 1 or a whole number; None for one if the sweep trains
            on CUDA, else none.
    """

    cpu: float | None = None
    gpu: float | None = None

    def resolved(self, device: str, threads: int) -> "Resources":
        """Return the resources with both numbers set.

        Args:
            device: ``cpu`` or ``cuda``, of the sweep.
            threads: of a trial.
        """
        return Resources(
            cpu=float(threads) if self.cpu is None else self.cpu,
            gpu=(1.0 if device == "cuda" else 0.0) if self.gpu is None else self.gpu,
        )

    def bundle(self) -> dict[str, float]:
        """Return resolved resources by Ray's names.

        Raises:
            ValueError: they are not resolved.
        """
        if self.cpu is None or self.gpu is None:
            raise ValueError(f"resources must be resolved first, got {self}")
        return {"CPU": self.cpu, "GPU": self.gpu}

    def trials_within(self, total: Mapping[str, float]) -> int:
        """Return how many trials fit at once into ``total``, a node's resources by Ray's names.

        Ray places a fraction of a GPU on one GPU: two GPUs hold two trials of 0.6, not three.

        Raises:
            ValueError: the resources are not resolved.
        """
        bundle = self.bundle()
        cpu, gpu = (max(1, int(bundle[name] * _RAY_UNITS)) for name in ("CPU", "GPU"))
        cpus, gpus = (int(total.get(name, 0.0) * _RAY_UNITS) for name in ("CPU", "GPU"))
        by_gpu = gpus // gpu
        if gpu < _RAY_UNITS:
            by_gpu = (gpus // _RAY_UNITS) * (_RAY_UNITS // gpu)
        limits = [1_000_000]  # a trial may reserve nothing
        limits += [cpus // cpu] if bundle["CPU"] else []
        limits += [by_gpu] if bundle["GPU"] else []
        return min(limits)


@dataclass(frozen=True)
class RunOptions:
    """The options of a driver.

    Attributes:
        address: ``local``, ``auto`` or ``HOST:PORT``.
        concurrency: number of concurrent trials; None for as many as fit.
        resources: of one trial; None for the defaults of ``Resources``.
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
