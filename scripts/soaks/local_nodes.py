"""A Ray cluster of several nodes on one machine, made with Ray's own test utility."""

import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import psutil

_MEMORY = 80 * 1024 * 1024  # bytes of each node's object store


class LocalNodes:
    """A head node without CPUs, and worker nodes that can be killed and replaced.

    Args:
        token: whether it wants a token, which this process's children then have in their
            environment.

    Attributes:
        nodes: the worker nodes.
    """

    def __init__(self, nodes: int, *, cpus: float = 1, token: bool = True) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        if token:
            os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
            os.environ.setdefault("RAY_AUTH_MODE", "token")
        from ray.cluster_utils import Cluster

        head = {"num_cpus": 0, "num_gpus": 0, "object_store_memory": _MEMORY}
        self._cluster: Any = Cluster(
            initialize_head=True, head_node_args={**head, "include_dashboard": False}
        )
        self.nodes: list[Any] = []
        for _ in range(nodes):
            self.add_node(cpus=cpus)

    @property
    def address(self) -> str:
        """HOST:PORT of the head."""
        return str(self._cluster.address)

    def add_node(
        self,
        *,
        cpus: float = 1,
        gpus: float = 0,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Add a worker node, with ``environment`` added to the environment of its processes."""
        self.nodes.append(
            self._cluster.add_node(
                num_cpus=cpus,
                num_gpus=gpus,
                object_store_memory=_MEMORY,
                env_vars=dict(environment or {}),
            )
        )

    def kill_node(self, index: int) -> None:
        """SIGKILL a node's processes, including workers."""
        node = self.nodes.pop(index)
        # listed first: the children of a dead raylet cannot be found any more
        workers = self._children(node)
        self._cluster.remove_node(node, allow_graceful=False)
        for process in workers:
            with suppress(psutil.Error):
                process.kill()

    def freeze_node(self, index: int) -> list[psutil.Process]:
        """SIGSTOP all processes of a node, remove it from ``nodes`` and return the processes."""
        frozen = [self.raylet(index), *self._children(self.nodes.pop(index))]
        for process in frozen:
            with suppress(psutil.Error):
                process.suspend()
        return frozen

    def raylet(self, index: int) -> psutil.Process:
        """Return the process of a node's raylet."""
        return psutil.Process(_pid(self.nodes[index]))

    def workers(self) -> list[psutil.Process]:
        """Return the processes in which segments run now, on all nodes."""
        found = []
        for node in self.nodes:
            for process in self._children(node):
                with suppress(psutil.Error):
                    if (process.cmdline() or [""])[0].startswith("ray::ImplicitFunc"):
                        found.append(process)
        return found

    def shutdown(self) -> None:
        """Stop all nodes."""
        self._cluster.shutdown()

    @staticmethod
    def _children(node: Any) -> list[psutil.Process]:
        with suppress(psutil.Error):
            return psutil.Process(_pid(node)).children(recursive=True)
        return []


def _pid(node: Any) -> int:
    return int(node.all_processes["raylet"][0].process.pid)


@contextmanager
def local_nodes(nodes: int, *, cpus: float = 1, token: bool = True) -> Iterator[LocalNodes]:
    """Start a cluster with ``nodes`` worker nodes for a ``with`` block."""
    cluster = LocalNodes(nodes, cpus=cpus, token=token)
    try:
        yield cluster
    finally:
        cluster.shutdown()
