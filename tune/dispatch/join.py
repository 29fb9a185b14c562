"""Joining the cluster of a sweep: whether it may run there, and what its workers are."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import psutil

from genretune.tune.dispatch.cluster import cluster
from genretune.tune.dispatch.driver_job import DriverJob
from genretune.tune.dispatch.nodes.choice import matching_class, misfit
from genretune.tune.dispatch.nodes.description import NodeRequirements
from genretune.tune.dispatch.nodes.nodes import Nodes
from genretune.tune.dispatch.run_options import Resources
from genretune.tune.reproducibility.literals import Level
from genretune.tune.run.resume_check import check_environment
from genretune.tune.sweep.events import MIXED


@dataclass(frozen=True)
class Workers:
    """Where segments run.

    Attributes:
        environment: what the bits of a result depend on.
        resources: of a trial.
        nodes: of the cluster; None on a single machine.
        fixed_capacity: how many trials a single machine can run at once.
    """

    environment: dict[str, Any]
    resources: Resources
    nodes: Nodes | None
    fixed_capacity: int = 0

    def memory_warning(self, peak: int | None) -> str | None:
        """Return a warning if the largest trial may need more memory than a segment is granted.

        Args:
            peak: estimate for it, in bytes; None if it is not known.
        """
        if self.nodes is None:
            granted = psutil.virtual_memory().total // self.fixed_capacity
            if self.resources.gpu:
                return None  # the driver has no torch, which could ask the GPU
        else:
            granted = self.nodes.least_memory()
        if peak is None or not granted or peak <= granted:
            return None
        return (
            f"warning: the largest trial needs about {peak / 1e9:.1f} GB by estimate, and a "
            f"segment is granted {granted / 1e9:.1f} GB (fewer trials a node or GPU by --resources,"
            " or a smaller trial.micro_batch_size)"
        )

    def capacity(self) -> int:
        """Return how many trials can run at once now."""
        return self.fixed_capacity if self.nodes is None else self.nodes.capacity()


@contextmanager
def join(job: DriverJob, before: Mapping[str, object]) -> Iterator[Workers]:
    """Start or join Ray for a ``with`` block, once the sweep is known to be allowed there.

    Args:
        before: the environment of the previous driver; empty before the first.

    Raises:
        RecordMismatch: the environment differs from that of the previous driver.
        TuneError: the cluster cannot be used.
    """
    options, level, environment = job.options, cast(Level, job.level), dict(job.environment)
    resources = job.resources
    gpus = resources.bundle()["GPU"] > 0
    if options.address == "local":
        if options.machine_class is not None:
            own = {str(environment["machine_class"]): ["this machine"]}
            matching_class(options.machine_class, own)
        check_environment(before, environment, accepted=options.accept_environment)
        with cluster("local", level=level, gpus=gpus):
            yield Workers(environment, resources, None, _local_capacity(resources))
        return
    with cluster(options.address, level=level, gpus=gpus):
        # on a cluster the workers' machine class counts, which only they can tell
        requirements = NodeRequirements(
            device=job.device,
            level=job.level,
            store=job.store,
            samples=job.samples,
            gpu_share=resources.gpu_share,
        )
        nodes = Nodes(requirements, resources)
        nodes.wait_until_ready()
        chosen = nodes.choose_machine_class(options.machine_class, allow_mixed=options.allow_mixed)
        environment |= {"machine_class": chosen or MIXED, **nodes.gpu_facts()}
        if job.device == "cuda":
            environment["gpu_share"] = resources.gpu_share
        check_environment(before, environment, accepted=options.accept_environment)
        yield Workers(environment, resources, nodes)


def _local_capacity(resources: Resources) -> int:
    """Return how many trials fit on this machine; raise TuneError if none does."""
    import ray

    totals = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    capacity = sum(resources.trials_within(total) for total in totals)
    if capacity == 0:
        raise misfit(resources, totals)
    return capacity
