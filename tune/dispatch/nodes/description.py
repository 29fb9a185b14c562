"""What a node says of itself before it gets segments; the functions here run on the node."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class NodeRequirements:
    """What a node needs to know to describe itself.

    Attributes:
        device, level: of the sweep; the machine class depends on them.
        gpu_share: the share of a GPU that a trial is granted; 1.0 on CPUs.
        store: path of the packed corpus on the driver's machine.
        samples: digest of its samples.
    """

    device: str
    level: str
    store: str
    samples: str
    gpu_share: float = 1.0


@dataclass(frozen=True)
class Node:
    """One node, as it describes itself.

    Attributes:
        id: Ray's.
        name: host name and the beginning of the id.
        machine_class: what its bits depend on.
        has_store: whether it has the samples, at the driver's path or in its own cache.
        memory: bytes of a GPU, or of the machine for a sweep on CPUs; 0 if not known.
        gpu: facts about its GPUs; empty for a sweep on CPUs.
    """

    id: str
    name: str
    machine_class: str
    has_store: bool
    memory: int = 0
    gpu: Mapping[str, Any] = field(default_factory=dict)


def node_name(host: str, node_id: str) -> str:
    """Return how a node is named to the user: two nodes may be on one machine."""
    return f"{host}/{node_id[:8]}"


def describe_node(requirements: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of this node's ``Node``, with ``host`` for its name; runs on the node.

    Args:
        requirements: ``NodeRequirements`` as a dict.
    """
    import platform
    from typing import cast

    from genretune.data.store import local_store
    from genretune.tune.reproducibility.environment import machine_class
    from genretune.tune.reproducibility.gpu_facts import gpu_facts
    from genretune.tune.reproducibility.gpu_memory import device_memory
    from genretune.tune.reproducibility.literals import Device, Level

    device, level = cast(Device, requirements["device"]), cast(Level, requirements["level"])
    return {
        "host": platform.node(),
        "machine_class": machine_class(device, level, requirements["gpu_share"]),
        "has_store": local_store(Path(requirements["store"]), requirements["samples"]) is not None,
        "memory": device_memory(device),
        "gpu": gpu_facts() if device == "cuda" else {},
    }


def install_samples(packed: Any, samples: str) -> str:
    """Write a packed corpus into this node's cache and return its path; runs on the node."""
    from genretune.data.transfer import install_store

    return str(install_store(packed, samples).path)
