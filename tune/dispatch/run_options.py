"""The options of a driver: how a sweep is run. None changes a result; imports no Ray, no torch."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from genretune.tune.errors import TuneError
from genretune.tune.reproducibility.literals import Device
from genretune.tune.space.settings import Keep

CHECKPOINT_EVERY = 60.0  # s
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

    @property
    def gpu_share(self) -> float:
        """The share of each of its GPUs that a trial is granted; 1.0 without one."""
        return min(self.gpu or 1.0, 1.0)

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
        concurrency: number of concurrent segments, those included for which a node has yet to
            join; None for as many as fit on the nodes.
        resources: of one trial; None for the defaults of ``Resources``.
        takeover: take the run directory from a driver on another host.
        until: time limit (s since 1970): no segment starts after it, and running trials end at
            their next checkpoint.
        hang_timeout: seconds without a report before a worker counts as hung.
        io_timeout: seconds to retry failing storage.
        keep: which checkpoints of finished trials are kept; None for the space's rule.
        machine_class: any unique part of the name of the machine class to run on.
        allow_mixed: allow several machine classes, one for each trial.
        accept_environment: resume despite a changed machine class, version or code.
        storage: URI in S3 of checkpoints and records; None for the run directory.
        give_up_after: how many workers a trial may kill before it is declared failed; None for any
            number.
        checkpoint_every: seconds of training that a killed worker may lose, or one epoch, if that
            is longer; 0 for a checkpoint after every epoch.
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
    give_up_after: int | None = None
    checkpoint_every: float = CHECKPOINT_EVERY

    def device(self, setting: str, available: Callable[[], Device]) -> Device:
        """Return the device of a sweep: as the space sets it, else by the resources of a trial.

        Args:
            setting: ``trial.device``.
            available: returns the device that torch would use on this machine, for a sweep on it.

        Raises:
            TuneError: it contradicts the resources, or nothing tells it: the GPUs of a cluster are
                not those of the driver's machine.
        """
        gpu = None if self.resources is None else self.resources.gpu
        if setting == "cpu" and gpu:
            raise TuneError(
                f"--resources: gpu must be 0 for trial.device cpu, got gpu={gpu:g} "
                "(omit gpu, or set trial.device=cuda)"
            )
        if setting == "cuda" and gpu == 0:
            raise TuneError(
                "--resources: gpu must be above 0 for trial.device cuda, got gpu=0 "
                "(set gpu=1 or a fraction, or trial.device=cpu)"
            )
        if setting != "auto":
            return "cuda" if setting == "cuda" else "cpu"
        if gpu is not None:
            return "cuda" if gpu else "cpu"
        if self.address != "local":
            raise TuneError(
                "trial.device: must be known on a cluster, got auto without GPUs in --resources "
                "(add --resources gpu=1, or trial.device=cpu)"
            )
        return available()
