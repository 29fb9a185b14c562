"""Can every node of a cluster take part: what it has, sees and may write."""

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

_PACKAGES = ("genretune", "torch", "torchaudio", "ray", "numpy", "pyarrow", "soundfile", "soxr")
_DISK = 2e9  # bytes
_MEMORY = 1e9  # bytes
_SKEW = 5.0  # s
_ANSWER = 120.0  # s
_CONNECT = 3.0  # s


@dataclass(frozen=True)
class Finding:
    """One check of one node.

    Attributes:
        remedy: what to do; empty where the check passed.
    """

    node: str
    check: str
    found: str
    remedy: str = ""

    @property
    def ok(self) -> bool:
        return not self.remedy


def probe(asked: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of the node that runs this.

    Args:
        asked: ``data`` and ``out``, paths or None; ``storage``, a URI in S3; ``head``, HOST:PORT
            that it must reach.
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
    except Exception as error:  # a broken torch is what we are here to tell
        facts["machine_class"] = f"unknown: {error}"
    if asked["data"] is not None:
        facts["data"] = _readable(Path(asked["data"]))
    if asked["out"] is not None:
        facts |= _writable(Path(asked["out"]))
    if asked.get("storage") is not None:
        facts["s3"] = _puts(asked["storage"])
    if asked.get("head") is not None:
        facts["head"] = reach(asked["head"])
    return facts


def examine(asked: Mapping[str, Any]) -> list[Finding]:
    """Every check of every node of the cluster that Ray is connected to."""
    import ray

    from genretune.tune.dispatch.node_task import on_node

    own = probe(asked)
    asked = {**asked, "head": ray.get_runtime_context().gcs_address}
    alive = [node for node in ray.nodes() if node["Alive"]]
    findings = []
    sent = {node["NodeID"]: (time.time(), on_node(node["NodeID"], probe, asked)) for node in alive}
    classes = set()
    for node in alive:
        identity = node["NodeID"]
        name = f"{node['NodeManagerHostname']}/{identity[:8]}"
        began, reference = sent[identity]
        closed = _closed(node)
        try:
            facts = ray.get(reference, timeout=_ANSWER)
        except ray.exceptions.RayError as error:
            last = str(error).strip().splitlines()[-1]
            remedy = "see that this node runs the same image, and that its ports are open to it"
            findings += [Finding(name, "answers", last[:120], remedy), _ports(name, closed)]
            continue
        span = (began, time.time())
        if facts["head"]:
            closed.append(f"Ray's head from there: {facts['head']}")
        findings += [*judge(name, facts, own, span), _ports(name, closed)]
        classes.add(facts["machine_class"])
    if len(classes) > 1:
        remedy = (
            "choose one with --machine-class NAME, or --allow-mixed: bits agree within a class only"
        )
        findings.append(Finding("all", "machine class", f"{len(classes)} classes", remedy))
    return findings


def judge(
    node: str, facts: Mapping[str, Any], own: Mapping[str, Any], span: tuple[float, float]
) -> list[Finding]:
    """What a node's facts mean.

    Args:
        own: the driver's facts.
        span: when (s since 1970) the node was asked, and had answered, by the driver's clock.
    """
    findings = [Finding(node, "answers", f"from {facts['host']}")]
    told = {"python": facts["python"], **facts["versions"]}
    mine = {"python": own["python"], **own["versions"]}
    other = [f"{k} {v} instead of {mine[k]}" for k, v in told.items() if v != mine[k]]
    remedy = "install what constraints.txt names on every node" if other else ""
    findings.append(Finding(node, "versions", "; ".join(other) or "equal", remedy))
    findings.append(Finding(node, "machine class", facts["machine_class"]))
    remedy = "end what else runs there" if facts["memory"] < _MEMORY else ""
    findings.append(Finding(node, "free memory", f"{facts['memory'] / 1e9:.1f} GB", remedy))
    findings.append(Finding(node, "GPUs", ", ".join(facts["gpus"]) or "none"))
    skew = max(span[0] - facts["time"], facts["time"] - span[1], 0.0)
    remedy = "start a time service (chrony, ntpd) there" if skew > _SKEW else ""
    findings.append(Finding(node, "clock", f"{skew:.1f} s off" if skew else "agrees", remedy))
    if "data" in facts:
        wrong = facts["data"] != "readable"
        remedy = "mount it there under this path; else a packed copy is sent" if wrong else ""
        findings.append(Finding(node, "data", facts["data"], remedy))
    if "storage" in facts:
        wrong = facts["storage"] != "writable"
        remedy = "mount it there, writable by this user, under this path" if wrong else ""
        findings.append(Finding(node, "storage", facts["storage"], remedy))
        remedy = "free some, or choose another --out" if facts["disk"] < _DISK else ""
        findings.append(Finding(node, "free disk", f"{facts['disk'] / 1e9:.1f} GB", remedy))
    if "s3" in facts:
        wrong = facts["s3"] != "writable"
        remedy = "give it credentials for the bucket (environment or role) and a way to it"
        findings.append(Finding(node, "S3", facts["s3"], remedy if wrong else ""))
    return findings


def reach(address: str) -> str:
    """Why HOST:PORT takes no TCP connection from here; empty where it does."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT).close()
    except OSError as error:
        return f"{address}: {error.strerror or error}"
    return ""


def _closed(node: Mapping[str, Any]) -> list[str]:
    """The ports of a node's Ray that take no connection from here."""
    host = node["NodeManagerAddress"]
    ports = {name: node[name] for name in ("NodeManagerPort", "ObjectManagerPort")}
    found = {name: reach(f"{host}:{port}") for name, port in ports.items()}
    return [f"{name} {why}" for name, why in found.items() if why]


def _ports(node: str, closed: list[str]) -> Finding:
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


def _readable(path: Path) -> str:
    try:
        if path.is_dir():
            next(iter(path.iterdir()), None)
        else:
            with path.open("rb") as file:
                file.read(1)
    except OSError as error:
        return f"{error.strerror}: {path}"
    return "readable"


def _puts(uri: str) -> str:
    """Whether objects can be put below a URI and removed again; else why not."""
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


def _writable(path: Path) -> dict[str, Any]:
    place = path
    while not place.exists() and place != place.parent:
        place = place.parent  # search makes what lacks
    beside = place / f".genretune-doctor-{platform.node()}-{os.getpid()}"
    try:
        beside.write_bytes(b"x")
        beside.unlink()
    except OSError as error:
        return {"storage": f"{error.strerror}: {place}", "disk": 0}
    return {"storage": "writable", "disk": shutil.disk_usage(place).free}
