"""The nodes of a cluster: their machine classes, the samples that they need, where trials may run.

A node describes itself in a task that runs there (``describe_node``). Nothing waits for a node that
does not answer: descriptions and samples are sent for without blocking, and only a node that has
both gets segments. Nodes may join or leave at any time.
"""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from genretune.tune.dispatch.nodes.choice import matching_class, misfit
from genretune.tune.dispatch.nodes.description import (
    Node,
    NodeRequirements,
    describe_node,
    install_samples,
    node_name,
)
from genretune.tune.dispatch.nodes.health import NodeHealth
from genretune.tune.dispatch.nodes.task import submit_to_node
from genretune.tune.dispatch.ray_errors import last_line
from genretune.tune.dispatch.run_options import Resources
from genretune.tune.errors import RunFailure, TuneError

_JOIN_TIMEOUT = 600.0  # s for the first node to join
_ANSWER_TIMEOUT = 120.0  # s for a node to describe itself, or to take the samples
_GRACE = 30.0  # s for which the start waits for other nodes once one is ready
_REFRESH_INTERVAL = 3.0  # s


@dataclass
class _Request:
    """An open request to a node: Ray's reference to its answer, and when it was sent."""

    reference: Any
    sent_at: float = field(default_factory=time.monotonic)


@dataclass
class Nodes:
    """The nodes on which a trial fits, kept up to date as they join and leave.

    Attributes:
        requirements: sent to each node with the request for its description.
        resources: of a trial.
        health: nodes that get no segments for now.
        known: nodes that have described themselves, by id.
        machine_class: the only one on which trials may run; None for any.
    """

    requirements: NodeRequirements
    resources: Resources
    health: NodeHealth = field(default_factory=NodeHealth)
    known: dict[str, Node] = field(default_factory=dict)
    machine_class: str | None = None
    _alive: dict[str, Mapping[str, Any]] = field(default_factory=dict)  # Ray's facts, by id
    _descriptions: dict[str, _Request] = field(default_factory=dict)
    _installations: dict[str, _Request] = field(default_factory=dict)
    _packed: Any = None
    _refreshed_at: float = 0.0
    _has_shown_demand: bool = False

    def wait_until_ready(self) -> None:
        """Wait until a node is ready, and a while longer for the others that are there.

        Raises:
            TuneError: nodes are there, but a trial fits on none of them.
            RunFailure: no node joins, or none of them can run this package.
        """
        began, ready_at = time.monotonic(), None
        while True:
            self.request_descriptions()
            self._collect()
            now = time.monotonic()
            if ready_at is None and self.usable(None):
                ready_at = now
            if ready_at is not None and (not self._is_waiting() or now - ready_at > _GRACE):
                break
            self._require_hope(now - began)
            time.sleep(0.2)
        if self._has_shown_demand:
            _show_demand([])

    def _is_waiting(self) -> bool:
        return bool(self._descriptions or self._installations)

    def _require_hope(self, waited: float) -> None:
        """Raise if no node will become ready; let an autoscaler know what is wanted."""
        if self._alive:
            failures = self.health.all_set_aside()
            if not self._is_waiting() and not self.usable(None) and failures:
                name, failure = next(iter(failures.items()))
                raise RunFailure(f"--address: node {name[:8]} {failure.why} (genretune doctor)")
            return
        import ray

        totals = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        if any(total.get("CPU", 0.0) > 0 for total in totals):
            raise misfit(self.resources, totals)
        if waited > _JOIN_TIMEOUT:
            raise RunFailure(
                f"--address: must have a node that a trial fits on, got none for "
                f"{_JOIN_TIMEOUT:g} s (ray status)"
            )
        if not self._has_shown_demand:
            self._has_shown_demand = True
            _show_demand([self.resources.bundle()])

    def refresh(self) -> None:
        """Update ``known`` at most every few seconds; never blocks."""
        now = time.monotonic()
        if now - self._refreshed_at >= _REFRESH_INTERVAL:
            self._refreshed_at = now
            self.request_descriptions()
            self._collect()

    def request_descriptions(self) -> int:
        """Ask each new node to describe itself, forget those that left; return the open requests.

        Ray may list a node as alive for seconds after its death, so that a request can fail.
        """
        import ray

        self._alive = {
            node["NodeID"]: node
            for node in ray.nodes()
            if node["Alive"] and self.resources.trials_within(node["Resources"]) > 0
        }
        self.health.keep(self._alive)
        for table in (self.known, self._descriptions, self._installations):
            for node_id in [one for one in table if one not in self._alive]:
                del table[node_id]
        for node_id in self._alive:
            asked = node_id in self.known or node_id in self._descriptions
            if not asked and not self.health.is_set_aside(node_id):
                reference = submit_to_node(
                    node_id,
                    describe_node,
                    asdict(self.requirements),
                    own_process=self.requirements.device == "cuda",
                )
                self._descriptions[node_id] = _Request(reference)
        return len(self._descriptions)

    def usable(self, machine_class: str | None) -> list[Node]:
        """Return the nodes that may run segments of a machine class; None for any.

        Where all that could are set aside, they are used: a sick node is better than none.
        """
        ready = [
            node
            for node in self.known.values()
            if node.has_store and machine_class in (None, node.machine_class)
        ]
        healthy = [node for node in ready if not self.health.is_set_aside(node.id)]
        return healthy or ready

    def capacity(self) -> int:
        """Return how many trials the usable nodes can run at once."""
        totals = [self._alive[node.id]["Resources"] for node in self.usable(self.machine_class)]
        return sum(self.resources.trials_within(total) for total in totals)

    def excluded(self, machine_class: str | None) -> list[str]:
        """Return the ids of nodes that must not run segments of a machine class now."""
        usable = {node.id for node in self.usable(machine_class)}
        return sorted(node_id for node_id in self._alive if node_id not in usable)

    def least_memory(self) -> int:
        """Return the least that a usable node grants to a segment, in bytes; 0 if not known."""
        granted = []
        for node in self.usable(self.machine_class):
            share = 1.0 / self.resources.trials_within(self._alive[node.id]["Resources"])
            granted.append(int(node.memory * (self.resources.gpu_share if node.gpu else share)))
        return min(granted, default=0)

    def gpu_facts(self) -> Mapping[str, Any]:
        """Return the facts about GPUs of the machine class; empty if it has none, or for several.

        They are equal on all its nodes.
        """
        nodes = (one for one in self.known.values() if one.machine_class == self.machine_class)
        return next((node.gpu for node in nodes), {})

    def name(self, node_id: str) -> str:
        """Return a node's host name with the beginning of its id."""
        return node_name(self._alive.get(node_id, {}).get("NodeManagerHostname", ""), node_id)

    def is_alive(self, node_id: str) -> bool:
        """Return whether Ray lists a node as alive now."""
        import ray

        return any(node["NodeID"] == node_id and node["Alive"] for node in ray.nodes())

    def machine_classes(self) -> dict[str, list[str]]:
        """Return the names of the known nodes by machine class, both sorted."""
        names: dict[str, list[str]] = {}
        for node in self.known.values():
            names.setdefault(node.machine_class, []).append(node.name)
        return {machine_class: sorted(names[machine_class]) for machine_class in sorted(names)}

    def choose_machine_class(self, name: str | None, *, allow_mixed: bool) -> str | None:
        """Set and return ``machine_class``: the only one, the named one, or None for a mixed sweep.

        Args:
            name: see ``matching_class``.

        Raises:
            TuneError: there are several and none is named, or the name fits none or several.
        """
        classes = self.machine_classes()
        if name is not None:
            self.machine_class = matching_class(name, classes)
        elif len(classes) == 1:
            self.machine_class = next(iter(classes))
        elif not allow_mixed:
            listed = "; ".join(f"{one} on {', '.join(nodes)}" for one, nodes in classes.items())
            raise TuneError(
                f"--machine-class: must be chosen where equal bits are impossible, got "
                f"{len(classes)} machine classes: {listed} (--machine-class NAME, or --allow-mixed)"
            )
        return self.machine_class

    def _collect(self) -> None:
        """Take the answers that have come; set aside the nodes that failed or do not answer."""
        for node_id, description in self._answers(self._descriptions, "cannot describe itself"):
            name = node_name(description.pop("host"), node_id)
            self.known[node_id] = Node(id=node_id, name=name, **description)
        for node_id, _ in self._answers(self._installations, "cannot take the samples"):
            if node_id in self.known:
                self.known[node_id] = replace(self.known[node_id], has_store=True)
        for node in self.known.values():
            if not (node.has_store or node.id in self._installations):
                if not self.health.is_set_aside(node.id):
                    self._send_samples(node.id)

    def _answers(self, requests: dict[str, _Request], failure: str) -> list[tuple[str, Any]]:
        """Remove the requests that are answered, have failed or are overdue; return the answers."""
        import ray

        answers = []
        for node_id, request in list(requests.items()):
            if ray.wait([request.reference], timeout=0)[0]:
                del requests[node_id]
                try:
                    answers.append((node_id, ray.get(request.reference)))
                except ray.exceptions.RayError as error:
                    self.health.set_aside(node_id, f"{failure}: {last_line(error)}")
            elif time.monotonic() - request.sent_at > _ANSWER_TIMEOUT:
                del requests[node_id]
                why = f"{failure}: no answer within {_ANSWER_TIMEOUT:g} s"
                self.health.set_aside(node_id, why)
        return answers

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
        self._installations[node_id] = _Request(reference)


def _show_demand(bundles: list[dict[str, float]]) -> None:
    """Tell Ray's autoscaler, if there is one, for what to add nodes."""
    from ray.autoscaler.sdk import request_resources

    request_resources(bundles=bundles)
