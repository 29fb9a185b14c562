"""Every check of every node of the cluster that Ray is connected to."""

import time
from collections.abc import Mapping
from typing import Any

from genretune.tune.dispatch.cluster import cluster_is_open, connection_error
from genretune.tune.dispatch.doctor.findings import (
    Finding,
    assess,
    assess_gpus,
    compare_machine_classes,
    failed_if,
)
from genretune.tune.dispatch.doctor.node_facts import (
    collect_facts,
    process_facts,
)
from genretune.tune.dispatch.nodes.description import node_name
from genretune.tune.dispatch.nodes.task import submit_to_node
from genretune.tune.dispatch.ray_errors import last_line

_ANSWER_TIMEOUT = 120.0  # s


def check_nodes(targets: Mapping[str, Any], address: str) -> list[Finding]:
    """Return every check of every node of the cluster that Ray is connected to.

    Args:
        targets: see ``collect_facts``; ``head`` is added.
        address: as the user gave it: a local Ray has no network to be open to.
    """
    import ray

    targets = {**targets, "head": ray.get_runtime_context().gcs_address}
    own = process_facts()
    alive = [node for node in ray.nodes() if node["Alive"]]
    submitted = {node["NodeID"]: (time.time(), _ask(node["NodeID"], targets)) for node in alive}
    findings, answers = [], dict[str, dict[str, Any]]()
    for node in alive:
        name = node_name(node["NodeManagerHostname"], node["NodeID"])
        began, reference = submitted[node["NodeID"]]
        closed = _closed_ports(node)
        try:
            facts = ray.get(reference, timeout=_ANSWER_TIMEOUT)
        except ray.exceptions.RayError as error:
            remedy = "run the same image on this node, and open its ports"
            findings.append(Finding(name, "answers", last_line(error)[:120], remedy, "FAILED"))
        else:
            if facts["head"]:
                closed.append(f"Ray's head from this node: {facts['head']}")
            findings += assess(name, facts, own, (began, time.time()))
            findings += assess_gpus(name, facts, own, node["Resources"].get("GPU", 0.0))
            if node["Resources"].get("CPU", 0.0) > 0:  # else no trial fits there
                answers[name] = facts
        findings.append(_ports_finding(name, closed))
    if address != "local":
        findings += _driver_findings(own, answers)
    return [*findings, *compare_machine_classes(answers)]


def _ask(node_id: str, targets: Mapping[str, Any]) -> Any:
    """Submit ``collect_facts`` to a node; return Ray's reference."""
    # a process that has used CUDA holds a part of the GPU's memory until it ends, and the whole
    # GPU where the administrator allows one process at a time
    return submit_to_node(node_id, collect_facts, targets, own_process=True)


def _driver_findings(
    own: Mapping[str, Any], answers: Mapping[str, Mapping[str, Any]]
) -> list[Finding]:
    """Return the checks of the connection and of the driver's own machine."""
    import ray

    from genretune.tune.reproducibility.environment import available_device

    try:
        is_open = cluster_is_open()
    except ray.exceptions.RayError as error:
        is_open = False
        answer = f"unknown: {last_line(error)[:120]}"
    else:
        answer = "none: everybody on its network can run code on it" if is_open else "by a token"
    remedy = "start Ray anew on each machine with a token (docs/cluster.md, Bare machines)"
    findings = [
        Finding("all", "authentication", answer, remedy, "warning")
        if is_open
        else Finding("all", "authentication", answer)
    ]
    if available_device() == "cpu":
        on_nodes = sum(len(facts["gpus"]) for facts in answers.values())
        needed = f"none needed here, trials use the {on_nodes} of the nodes" if on_nodes else "none"
        findings.append(Finding("driver", "GPUs", needed))
    return findings


def _closed_ports(node: Mapping[str, Any]) -> list[str]:
    """Return the ports of a node's Ray that accept no connection from here, each with why."""
    host = node["NodeManagerAddress"]
    ports = {name: node[name] for name in ("NodeManagerPort", "ObjectManagerPort")}
    errors = {name: connection_error(f"{host}:{port}") for name, port in ports.items()}
    return [f"{name} {error}" for name, error in errors.items() if error]


def _ports_finding(node: str, closed: list[str]) -> Finding:
    remedy = "open all ports between the machines (or fix Ray's: ray start --help)"
    return failed_if(remedy if closed else "", node, "ports", "; ".join(closed) or "open")
