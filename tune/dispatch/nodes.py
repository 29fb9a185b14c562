"""The nodes of a cluster: their machine classes, the samples that they need, where trials may run.

A node describes itself in a task that runs there (``describe_node``). Descriptions are requested
without blocking, since nodes may join or leave at any time during a sweep.
"""

import re
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from genretune.tune.dispatch.node_task import submit_to_node
from genretune.tune.dispatch.ray_errors import last_line
from genretune.tune.errors import RunFailure, TuneError

_READY_TIMEOUT = 300.0  # s for the first nodes to join and to describe themselves
_REFRESH_INTERVAL = 3.0  # s
_DEATH_DELAY = 10.0  # s after an error during which Ray may still list a dead node as alive


@dataclass(frozen=True)
class NodeRequirements:
    """What a node needs to know to describe itself.

    Attributes:
        device, level: of the sweep; the machine class depends on them.
        store: path of the packed corpus on the driver's machine.
        samples: digest of its samples.
    """

    device: str
    level: str
    store: str
    samples: str


@dataclass(frozen=True)
class Node:
    """One node, as it describes itself.

    Attributes:
        id: Ray's.
        name: host name and the beginning of the id.
        machine_class: what its bits depend on.
        has_store: whether it had the samples, at the driver's path or in its own cache.
    """

    id: str
    name: str
    machine_class: str
    has_store: bool


def describe_node(requirements: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of this node's ``Node``, with ``host`` for its name; runs on the node.

    Args:
        requirements: ``NodeRequirements`` as a dict.
    """
    import platform
    from typing import cast

    from genretune.data.store import Store, find_store
    from genretune.tune.reproducibility.environment import machine_class
    from genretune.tune.reproducibility.literals import Device, Level

    level = cast(Level, requirements["level"])
    store, samples = Path(requirements["store"]), requirements["samples"]
    # the same path may hold another corpus on this node, so the digest decides
    has_store = store.exists() and Store(store).samples_digest == samples
    return {
        "host": platform.node(),
        "machine_class": machine_class(cast(Device, requirements["device"]), level),
        "has_store": has_store or find_store(samples) is not None,
    }


def install_samples(packed: Any, samples: str) -> str:
    """Write a packed corpus into this node's cache and return its path; runs on the node."""
    from genretune.data.transfer import install_store

    return str(install_store(packed, samples).path)


@dataclass
class Nodes:
    """The nodes on which a trial fits, kept up to date as they join and leave.

    Attributes:
        requirements: sent to each node with the request for its description.
        per_trial: resources of a trial, by Ray's names.
        known: nodes that have described themselves, by id.
        machine_class: the only one on which trials may run; None for any.
    """

    requirements: NodeRequirements
    per_trial: Mapping[str, float]
    known: dict[str, Node] = field(default_factory=dict)
    machine_class: str | None = None
    _descriptions: dict[str, Any] = field(default_factory=dict)  # references, by node id
    _installations: dict[str, Any] = field(default_factory=dict)  # references, by node id
    _packed: Any = None
    _refreshed_at: float = 0.0

    def wait_until_ready(self) -> None:
        """Wait for the first nodes, and until all present ones are described and have the samples.

        Nodes that leave meanwhile are ignored.

        Raises:
            RunFailure: a node does not answer or cannot take the samples, or none joins.
        """
        import ray

        end = time.monotonic() + _READY_TIMEOUT
        while not self.known:
            self.request_descriptions()
            if self._descriptions:
                self._wait_for_descriptions()
            elif time.monotonic() > end:
                raise RunFailure(
                    f"--address: must have a node that a trial fits on, got none for "
                    f"{_READY_TIMEOUT:g} s (ray status)"
                )
            else:
                time.sleep(_REFRESH_INTERVAL)
        for node_id, reference in list(self._installations.items()):
            try:
                ray.get(reference)
            except ray.exceptions.RayError as error:
                if self._is_alive(node_id):
                    raise RunFailure(
                        f"--address: a node cannot take the samples ({last_line(error)})"
                    ) from error
        self._installations.clear()

    def refresh(self) -> None:
        """Update ``known`` at most every few seconds; never blocks."""
        now = time.monotonic()
        if now - self._refreshed_at >= _REFRESH_INTERVAL:
            self._refreshed_at = now
            self.request_descriptions()
            self._collect_descriptions(strict=False)

    def request_descriptions(self) -> int:
        """Ask each new node to describe itself, forget those that left; return the open requests.

        Ray may list a node as alive for seconds after its death, so that a request can fail.
        """
        import ray

        alive = [
            node["NodeID"]
            for node in ray.nodes()
            if node["Alive"] and _fits(self.per_trial, node["Resources"])
        ]
        self.known = {node_id: node for node_id, node in self.known.items() if node_id in alive}
        for node_id in alive:
            if node_id not in self.known and node_id not in self._descriptions:
                reference = submit_to_node(node_id, describe_node, asdict(self.requirements))
                self._descriptions[node_id] = reference
        return len(self._descriptions)

    def machine_classes(self) -> dict[str, list[str]]:
        """Return the names of the known nodes by machine class, both sorted."""
        names: dict[str, list[str]] = {}
        for node in self.known.values():
            names.setdefault(node.machine_class, []).append(node.name)
        return {machine_class: sorted(names[machine_class]) for machine_class in sorted(names)}

    def choose_machine_class(self, name: str | None, *, allow_mixed: bool) -> str | None:
        """Set and return ``machine_class``: the only one, the named one, or None for a mixed sweep.

        Args:
            name: any part of a machine class's name that fits one only. A part of its bracketed
                list of CPU extensions does not count, since most classes share those.

        Raises:
            TuneError: there are several and none is named, or the name fits none or several.
        """
        classes = self.machine_classes()
        listed = "; ".join(f"{one} on {', '.join(nodes)}" for one, nodes in classes.items())
        if name is not None:
            heads = {one: re.sub(r"\[.*?\]", "", one).lower() for one in classes}
            matching = [one for one in classes if name == one or name.lower() in heads[one]]
            if len(matching) != 1:
                raise TuneError(
                    f"--machine-class: must be part of one machine class's name, got {name} "
                    f"({listed})"
                )
            self.machine_class = matching[0]
        elif len(classes) == 1:
            self.machine_class = next(iter(classes))
        elif not allow_mixed:
            raise TuneError(
                f"--machine-class: must be chosen where equal bits are impossible, got "
                f"{len(classes)} machine classes: {listed} (--machine-class NAME, or --allow-mixed)"
            )
        return self.machine_class

    def nodes_outside(self, machine_class: str | None) -> list[str]:
        """Return the ids of known nodes of other machine classes; none if it is None."""
        if machine_class is None:
            return []
        return sorted(
            node.id for node in self.known.values() if node.machine_class != machine_class
        )

    def _wait_for_descriptions(self) -> None:
        import ray

        references = list(self._descriptions.values())
        _, late = ray.wait(references, num_returns=len(references), timeout=_READY_TIMEOUT)
        if late:
            names = [node_id[:8] for node_id, ref in self._descriptions.items() if ref in late]
            raise RunFailure(
                f"--address: every node must answer, got nothing from {', '.join(names)} for "
                f"{_READY_TIMEOUT:g} s (genretune doctor)"
            )
        self._collect_descriptions(strict=True)

    def _collect_descriptions(self, *, strict: bool) -> None:
        """Take the descriptions that have arrived, and send the samples where they are missing.

        Raises:
            RunFailure: with ``strict``, a node that is still alive failed to describe itself.
        """
        import ray

        for node_id, reference in list(self._descriptions.items()):
            if not ray.wait([reference], timeout=0)[0]:
                continue
            del self._descriptions[node_id]
            try:
                description = ray.get(reference)
            except ray.exceptions.RayError as error:
                if strict and self._is_alive(node_id):
                    raise RunFailure(
                        f"--address: node {node_id[:8]} cannot run this package: "
                        f"{last_line(error)} (genretune doctor)"
                    ) from error
                continue  # it left meanwhile; if it is still there, the next request asks again
            name = f"{description.pop('host')}/{node_id[:8]}"
            node = self.known[node_id] = Node(id=node_id, name=name, **description)
            if not node.has_store:
                self._send_samples(node_id)

    def _send_samples(self, node_id: str) -> None:
        """Send the packed corpus to a node; it enters Ray's object store once for all nodes."""
        import ray

        from genretune.data.store import Store
        from genretune.data.transfer import store_bytes

        if self._packed is None:
            self._packed = ray.put(store_bytes(Store(Path(self.requirements.store))))
        reference = submit_to_node(
            node_id, install_samples, self._packed, self.requirements.samples
        )
        self._installations[node_id] = reference

    def _is_alive(self, node_id: str) -> bool:
        """Return whether a node is alive, after the time that Ray may need to notice its death."""
        import ray

        end = time.monotonic() + _DEATH_DELAY
        while any(node["NodeID"] == node_id and node["Alive"] for node in ray.nodes()):
            if time.monotonic() > end:
                return True
            time.sleep(0.5)
        return False


def _fits(per_trial: Mapping[str, float], resources: Mapping[str, float]) -> bool:
    return all(resources.get(name.upper(), 0.0) >= amount for name, amount in per_trial.items())
