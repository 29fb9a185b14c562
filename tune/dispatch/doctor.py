"""Checks of every node of a cluster: software, memory, clock, storage, data and ports.

Each node collects facts about itself (``collect_facts``); the driver compares them with its own
(``assess``), so that a difference is found whichever side deviates.
"""

import os
import platform
import shutil
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from genretune.tune.dispatch.ray_errors import last_line

_PACKAGES = ("genretune", "torch", "torchaudio", "ray", "numpy", "pyarrow", "soundfile", "soxr")
_MIN_DISK = 2e9  # bytes
_MIN_MEMORY = 1e9  # bytes
_MAX_SKEW = 5.0  # s
_ANSWER_TIMEOUT = 120.0  # s
_CONNECT_TIMEOUT = 3.0  # s


@dataclass(frozen=True)
class Finding:
    """One check of one node.

    Attributes:
        found: what the check found, passed or not.
        remedy: what to do; empty if the check passed.
    """

    node: str
    check: str
    found: str
    remedy: str = ""

    @property
    def ok(self) -> bool:
        """Whether the check passed."""
        return not self.remedy


def collect_facts(targets: Mapping[str, Any]) -> dict[str, Any]:
    """Return facts about the node that runs this.

    Args:
        targets: what it must be able to use: ``data`` and ``out``, paths or None; ``storage``, a
            URI in S3; ``head``, HOST:PORT of Ray's head.
    """
    import psutil

    from genretune.tune.reproducibility.environment import available_device, machine_class

    facts: dict[str, Any] = {
        "host": platform.node(),
        "time": time.time(),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in _PACKAGES},
        "memory": psutil.virtual_memory().available,
        "gpus": _gpus(),
    }
    try:
        facts["machine_class"] = machine_class(available_device(), "strict")
    except Exception as error:  # a broken torch installation is a finding, not a failure here
        facts["machine_class"] = f"unknown: {error}"
    if targets["data"] is not None:
        facts["data"] = _try_reading(Path(targets["data"]))
    if targets["out"] is not None:
        facts |= _try_writing(Path(targets["out"]))
    if targets.get("storage") is not None:
        facts["s3"] = _try_s3(targets["storage"])
    if targets.get("head") is not None:
        facts["head"] = connection_error(targets["head"])
    return facts


def check_nodes(targets: Mapping[str, Any]) -> list[Finding]:
    """Return every check of every node of the cluster that Ray is connected to.

    Args:
        targets: see ``collect_facts``; ``head`` is added.
    """
    import ray

    from genretune.tune.dispatch.node_task import submit_to_node

    own = collect_facts(targets)
    targets = {**targets, "head": ray.get_runtime_context().gcs_address}
    alive = [node for node in ray.nodes() if node["Alive"]]
    submitted = {
        node["NodeID"]: (time.time(), submit_to_node(node["NodeID"], collect_facts, targets))
        for node in alive
    }
    findings = []
    machine_classes = set()
    for node in alive:
        node_id = node["NodeID"]
        name = f"{node['NodeManagerHostname']}/{node_id[:8]}"
        began, reference = submitted[node_id]
        closed = _closed_ports(node)
        try:
            facts = ray.get(reference, timeout=_ANSWER_TIMEOUT)
        except ray.exceptions.RayError as error:
            remedy = "run the same image on this node, and open its ports"
            findings.append(Finding(name, "answers", last_line(error)[:120], remedy))
            findings.append(_ports_finding(name, closed))
            continue
        answered_within = (began, time.time())
        if facts["head"]:
            closed.append(f"Ray's head from this node: {facts['head']}")
        findings += [*assess(name, facts, own, answered_within), _ports_finding(name, closed)]
        machine_classes.add(facts["machine_class"])
    if len(machine_classes) > 1:
        found = f"{len(machine_classes)} machine classes"
        remedy = (
            "choose one with --machine-class NAME, or --allow-mixed: "
            "bits agree within a machine class only"
        )
        findings.append(Finding("all", "machine class", found, remedy))
    return findings


def assess(
    node: str,
    facts: Mapping[str, Any],
    own: Mapping[str, Any],
    answered_within: tuple[float, float],
) -> list[Finding]:
    """Return the checks of a node's facts.

    Args:
        own: the driver's facts.
        answered_within: when (s since 1970, the driver's clock) the request was sent and the
            answer received; between the two, a node's clock counts as right.
    """
    findings = [Finding(node, "answers", f"from {facts['host']}")]
    versions = {"python": facts["python"], **facts["versions"]}
    expected = {"python": own["python"], **own["versions"]}
    wrong = [f"{k} {v} instead of {expected[k]}" for k, v in versions.items() if v != expected[k]]
    remedy = "install the versions of constraints.txt on every node" if wrong else ""
    findings.append(Finding(node, "versions", "; ".join(wrong) or "equal", remedy))
    findings.append(Finding(node, "machine class", facts["machine_class"]))
    remedy = "stop other processes on this node" if facts["memory"] < _MIN_MEMORY else ""
    findings.append(Finding(node, "free memory", f"{facts['memory'] / 1e9:.1f} GB", remedy))
    findings.append(Finding(node, "GPUs", ", ".join(facts["gpus"]) or "none"))
    sent, received = answered_within
    skew = max(sent - facts["time"], facts["time"] - received, 0.0)
    remedy = "run a time service (chrony, ntpd) on this node" if skew > _MAX_SKEW else ""
    findings.append(Finding(node, "clock", f"{skew:.1f} s off" if skew else "agrees", remedy))
    if "data" in facts:
        remedy = "mount it under this path, or let a packed copy be sent to the node"
        findings.append(_access_finding(node, "data", facts["data"], "readable", remedy))
    if "run_directory" in facts:
        remedy = "mount it under this path, writable by this user"
        found = facts["run_directory"]
        findings.append(_access_finding(node, "run directory", found, "writable", remedy))
        remedy = "free some, or choose another --out" if facts["disk"] < _MIN_DISK else ""
        findings.append(Finding(node, "free disk", f"{facts['disk'] / 1e9:.1f} GB", remedy))
    if "s3" in facts:
        remedy = "give the node credentials for the bucket (environment or role) and access to it"
        findings.append(_access_finding(node, "S3", facts["s3"], "writable", remedy))
    return findings


def connection_error(address: str) -> str:
    """Return why HOST:PORT accepts no TCP connection from here; empty if it does."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_TIMEOUT).close()
    except OSError as error:
        return f"{address}: {error.strerror or error}"
    return ""


def _access_finding(node: str, check: str, found: str, expected: str, remedy: str) -> Finding:
    return Finding(node, check, found, "" if found == expected else remedy)


def _closed_ports(node: Mapping[str, Any]) -> list[str]:
    """Return the ports of a node's Ray that accept no connection from here, each with why."""
    host = node["NodeManagerAddress"]
    ports = {name: node[name] for name in ("NodeManagerPort", "ObjectManagerPort")}
    errors = {name: connection_error(f"{host}:{port}") for name, port in ports.items()}
    return [f"{name} {error}" for name, error in errors.items() if error]


def _ports_finding(node: str, closed: list[str]) -> Finding:
    remedy = "open all ports between the machines (or fix Ray's: ray start --help)"
    return Finding(node, "ports", "; ".join(closed) or "open", remedy if closed else "")


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _gpus() -> list[str]:
    import torch

    if not torch.cuda.is_available():
        return []
    return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]


def _try_reading(path: Path) -> str:
    """Return ``readable``, or why a file or folder is not."""
    try:
        if path.is_dir():
            next(iter(path.iterdir()), None)
        else:
            with path.open("rb") as file:
                file.read(1)
    except OSError as error:
        return f"{error.strerror}: {path}"
    return "readable"


def _try_writing(path: Path) -> dict[str, Any]:
    """Return ``run_directory``: ``writable`` or why it is not, and ``disk``: free bytes."""
    while not path.exists() and path != path.parent:
        path = path.parent  # search creates the missing folders
    probe = path / f".genretune-doctor-{platform.node()}-{os.getpid()}"
    try:
        probe.write_bytes(b"x")
        probe.unlink()
    except OSError as error:
        return {"run_directory": f"{error.strerror}: {path}", "disk": 0}
    return {"run_directory": "writable", "disk": shutil.disk_usage(path).free}


def _try_s3(uri: str) -> str:
    """Return ``writable``, or why an object cannot be created below a URI and deleted again."""
    from genretune.tune.storage.atomic_io import StorageFailure
    from genretune.tune.storage.object_store import ObjectStore

    name = f"probe-{platform.node()}-{os.getpid()}"
    try:
        objects = ObjectStore(uri)
        objects.put(name, b"")
        objects.delete(name)
    except StorageFailure as error:
        return str(error).partition(", got ")[2][:120]
    return "writable"
