"""The nodes of a cluster: what they are, what they lack, and which of them a trial may run on."""

import re
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from genretune.tune.dispatch.node_task import on_node
from genretune.tune.errors import RunFailure, TuneError

_PREPARING = 300.0  # s that the first nodes have to answer
_LOOK_EVERY = 3.0  # s
_NOTICED = 10.0  # s after an error in which Ray may still hold a dead node for alive


@dataclass(frozen=True)
class NodeRequirements:
    """What a node must tell and have.

    Attributes:
        device, level: of the sweep.
        store: path of the pack on the driver's machine.
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
        name: host name and the beginning of Ray's id.
        machine_class: what its bits depend on.
        has_store: whether it sees the samples.
    """

    id: str
    name: str
    machine_class: str
    has_store: bool


def describe(wants: Mapping[str, Any]) -> dict[str, Any]:
    """What a node is; runs there."""
    import platform
    from typing import cast

    from genretune.data.store import Store, find_store
    from genretune.tune.reproducibility.environment import machine_class
    from genretune.tune.reproducibility.literals import Device, Level

    level = cast(Level, wants["level"])
    there = Path(wants["store"]).exists()
    if there:
        there = Store(Path(wants["store"])).samples_digest == wants["samples"]
    return {
        "host": platform.node(),
        "machine_class": machine_class(cast(Device, wants["device"]), level),
        "has_store": there or find_store(wants["samples"]) is not None,
    }


def install(pack: Any, samples: str) -> str:
    """Put the samples into a node's cache; runs there. Where they lie."""
    from genretune.data.transfer import install_store

    return str(install_store(pack, samples).path)


@dataclass
class Nodes:
    """Looks at every node that a trial fits on, now and when one joins.

    Attributes:
        known: by Ray's id of the node.
        chosen: the machine class to keep to; None for any.
    """

    wants: NodeRequirements
    per_trial: Mapping[str, float]
    known: dict[str, Node] = field(default_factory=dict)
    chosen: str | None = None
    _asked: dict[str, Any] = field(default_factory=dict)
    _installing: dict[str, Any] = field(default_factory=dict)
    _pack: Any = None
    _looked: float = 0.0

    def wait(self) -> None:
        """Learn about all nodes that are there, until there is one; nodes that go do not matter.

        Raises:
            RunFailure: one does not answer, or cannot take the samples; or none comes.
        """
        import ray

        end = time.monotonic() + _PREPARING
        while not self.known:
            self._ask()
            if self._asked:
                self._wait_for_answers()
            elif time.monotonic() > end:
                raise RunFailure(
                    f"--address: must have a node that a trial fits on, got none for "
                    f"{_PREPARING:g} s (ray status)"
                )
            else:
                time.sleep(_LOOK_EVERY)
        for node, ref in list(self._installing.items()):
            try:
                ray.get(ref)
            except ray.exceptions.RayError as error:
                if self._is_there(node):
                    raise RunFailure(
                        f"--address: a node cannot take the samples ({_last_line(error)})"
                    ) from error
        self._installing.clear()

    def _wait_for_answers(self) -> None:
        import ray

        refs = list(self._asked.values())
        _, late = ray.wait(refs, num_returns=len(refs), timeout=_PREPARING)
        if late:
            names = [self._name(i) for i, ref in self._asked.items() if ref in late]
            raise RunFailure(
                f"--address: every node must answer, got nothing from {', '.join(names)} for "
                f"{_PREPARING:g} s (genretune doctor)"
            )
        self._take(strict=True)

    def look(self) -> None:
        """Learn about nodes that have joined; never waits."""
        now = time.monotonic()
        if now - self._looked >= _LOOK_EVERY:
            self._looked = now
            self._ask()
            self._take(strict=False)

    def classes(self) -> dict[str, list[str]]:
        """Machine classes with the names of their nodes."""
        found: dict[str, list[str]] = {}
        for node in self.known.values():
            found.setdefault(node.machine_class, []).append(node.name)
        return {name: sorted(found[name]) for name in sorted(found)}

    def choose(self, name: str | None, mixed: bool) -> str | None:
        """The machine class to keep to: the only one, the named one, or None for a mixed sweep.

        Raises:
            TuneError: there are several and none is named, or the name fits none or several.
        """
        classes = self.classes()
        listed = "; ".join(f"{c} on {', '.join(nodes)}" for c, nodes in classes.items())
        if name is not None:
            heads = {one: re.sub(r"\[.*?\]", "", one).lower() for one in classes}
            fitting = [one for one in classes if name == one or name.lower() in heads[one]]
            if len(fitting) != 1:
                raise TuneError(
                    f"--machine-class: must be part of one class's name, got {name} ({listed})"
                )
            self.chosen = fitting[0]
        elif len(classes) == 1:
            self.chosen = next(iter(classes))
        elif not mixed:
            raise TuneError(
                "--machine-class: must be chosen where equal bits are impossible, got "
                f"{len(classes)} machine classes: {listed} (--machine-class NAME, or --allow-mixed)"
            )
        return self.chosen

    def other_classes(self, machine_class: str | None) -> list[str]:
        """Ids of nodes that are not of this class."""
        if machine_class is None:
            return []
        return sorted(
            node.id for node in self.known.values() if node.machine_class != machine_class
        )

    def _ask(self) -> None:
        import ray

        alive = {
            node["NodeID"]: node
            for node in ray.nodes()
            if node["Alive"] and _fits(self.per_trial, node["Resources"])
        }
        for gone in [node for node in self.known if node not in alive]:
            del self.known[gone]
        for node in alive:
            if node not in self.known and node not in self._asked:
                self._asked[node] = on_node(node, describe, asdict(self.wants))

    def _take(self, *, strict: bool) -> None:
        import ray

        for node, ref in list(self._asked.items()):
            if not ray.wait([ref], timeout=0)[0]:
                continue
            del self._asked[node]
            try:
                told = ray.get(ref)
            except ray.exceptions.RayError as error:
                if strict and self._is_there(node):
                    raise RunFailure(
                        f"--address: node {node[:8]} cannot run this package: {_last_line(error)} "
                        "(genretune doctor)"
                    ) from error
                continue  # it has left again; asked anew if it is still there
            name = f"{told.pop('host')}/{node[:8]}"
            self.known[node] = Node(id=node, name=name, **told)
            if not told["has_store"]:
                self._send(node)

    def _send(self, node: str) -> None:
        """Send the samples to a node, once; Ray keeps one copy there while it is written."""
        import ray

        from genretune.data.store import Store
        from genretune.data.transfer import store_bytes

        if self._pack is None:
            self._pack = ray.put(store_bytes(Store(Path(self.wants.store))))
        self._installing[node] = on_node(node, install, self._pack, self.wants.samples)

    def _is_there(self, node: str) -> bool:
        """Whether a node still belongs to the cluster, once its loss has had time to be noticed."""
        import ray

        end = time.monotonic() + _NOTICED
        while any(one["NodeID"] == node and one["Alive"] for one in ray.nodes()):
            if time.monotonic() > end:
                return True
            time.sleep(0.5)
        return False

    def _name(self, node: str) -> str:
        return self.known[node].name if node in self.known else node[:8]


def _last_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1]


def _fits(per_trial: Mapping[str, float], resources: Mapping[str, float]) -> bool:
    return all(resources.get(name.upper(), 0.0) >= amount for name, amount in per_trial.items())
