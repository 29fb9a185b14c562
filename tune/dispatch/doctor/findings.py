"""Findings from the facts of nodes, each problem with a remedy; needs neither Ray nor torch.

Facts are compared with the driver's and with those of the other nodes, so that a difference is
found whichever side deviates.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Severity = Literal["ok", "warning", "FAILED"]

_MIN_DISK = 2e9  # bytes
_MIN_MEMORY = 1e9  # bytes
_MIN_CACHE = 5e9  # bytes: GTZAN takes 1.3 GB packed, 8,000 clips of 30 s take 10 GB
_MAX_SKEW = 5.0  # s
# A worker writes three files after each epoch (checkpoint, result.json, metrics.tsv) and trains
# nothing meanwhile: at 0.1 s each, 5 % of an epoch of 6 s.
_MAX_WRITE = 0.1  # s
# More than the driver reserves on any GPU, or a process of ours without tensors takes.
_MAX_GPU_MEMORY = 2e9  # bytes


@dataclass(frozen=True)
class Finding:
    """One check of one node.

    Attributes:
        node: ``HOST/ID``, ``driver``, or ``all`` for a check of the whole cluster.
        found: what the check found, passed or not.
        remedy: what to do; empty if the check passed.
        severity: a warning is something that a sweep survives.
    """

    node: str
    check: str
    found: str
    remedy: str = ""
    severity: Severity = "ok"


def assess(
    node: str,
    facts: Mapping[str, Any],
    own: Mapping[str, Any],
    answered_within: tuple[float, float],
) -> list[Finding]:
    """Return the checks of a node's facts.

    Args:
        own: the driver's ``process_facts``.
        answered_within: when (s since 1970, the driver's clock) the request was sent and the
            answer received; between the two, a node's clock counts as right.
    """
    findings = [Finding(node, "answers", f"from {facts['host']}")]
    versions = {"python": facts["python"], **facts["versions"]}
    expected = {"python": own["python"], **own["versions"]}
    wrong = [f"{k} {v} instead of {expected[k]}" for k, v in versions.items() if v != expected[k]]
    remedy = "install the versions of constraints.txt on every node" if wrong else ""
    findings.append(failed_if(remedy, node, "versions", "; ".join(wrong) or "equal"))
    unknown = facts["machine_class"].startswith("unknown: ")
    remedy = "see that torch and the driver of the GPU work on this node" if unknown else ""
    findings.append(failed_if(remedy, node, "machine class", facts["machine_class"]))
    remedy = "stop other processes on this node" if facts["memory"] < _MIN_MEMORY else ""
    findings.append(failed_if(remedy, node, "free memory", f"{facts['memory'] / 1e9:.1f} GB"))
    sent, received = answered_within
    skew = max(sent - facts["time"], facts["time"] - received, 0.0)
    remedy = "run a time service (chrony, ntpd) on this node" if skew > _MAX_SKEW else ""
    findings.append(failed_if(remedy, node, "clock", f"{skew:.1f} s off" if skew else "agrees"))
    findings.append(_assess_cache(node, facts["cache"]))
    if "data" in facts:
        remedy = "mount it under this path, or let a packed copy be sent to the node"
        findings.append(_access_finding(node, "data", facts["data"], "readable", remedy))
    if "run_directory" in facts:
        remedy = "mount it under this path, writable by this user"
        found = facts["run_directory"]
        findings.append(_access_finding(node, "run directory", found, "writable", remedy))
        remedy = "free some, or choose another --out" if facts["disk"] < _MIN_DISK else ""
        findings.append(failed_if(remedy, node, "free disk", f"{facts['disk'] / 1e9:.1f} GB"))
    if "write" in facts:
        findings.append(_assess_write(node, facts["write"]))
    if "s3" in facts:
        remedy = "give the node credentials for the bucket (environment or role) and access to it"
        findings.append(_access_finding(node, "S3", facts["s3"], "writable", remedy))
    return findings


def assess_gpus(
    node: str, facts: Mapping[str, Any], own: Mapping[str, Any], counted: float
) -> list[Finding]:
    """Return the checks of a node's GPUs: those of Ray, of torch and of the NVIDIA driver.

    Args:
        own: the driver's ``process_facts``.
        counted: number of GPUs that Ray counts on the node.
    """
    usable, of_driver = facts["gpus"], facts["driver_gpus"]
    names = ", ".join(gpu["name"] for gpu in usable) or "none"
    seen = len(usable)
    if counted > seen:
        found = f"Ray counts {counted:g}, torch sees {seen}"
        if of_driver:
            found += f", the NVIDIA driver has {len(of_driver)}"
            remedy = "install the torch of constraints.txt and a driver that it supports"
        else:
            found += ", no NVIDIA driver answers"
            remedy = "give the node's container its GPUs, or start its Ray with --num-gpus=0"
        return [Finding(node, "GPUs", found, remedy, "FAILED")]
    if seen > counted:
        found = f"Ray counts {counted:g}, torch sees {seen}: {names}"
        remedy = f"start this node's Ray with --num-gpus={seen}, or trials leave them idle"
        return [Finding(node, "GPUs", found, remedy, "warning")]
    if of_driver and not seen:
        found = f"Ray and torch see none, the NVIDIA driver has {len(of_driver)}"
        remedy = "ask for GPUs (Slurm: --gpus-per-node) or unset CUDA_VISIBLE_DEVICES"
        return [Finding(node, "GPUs", found, remedy, "warning")]
    findings = [Finding(node, "GPUs", names)]
    for gpu in of_driver or []:
        # a GPU that is hidden from torch may well be in use by somebody else
        if any(one["uuid"] and one["uuid"] in gpu["uuid"] for one in usable):
            findings += _assess_use(node, gpu, facts["host"], own)
    return findings


def compare_machine_classes(answers: Mapping[str, Mapping[str, Any]]) -> list[Finding]:
    """Return the nodes whose machine class is not that of most nodes, and in what it differs.

    Nodes that train on GPUs are compared with each other, and so are those that train on CPUs.

    Args:
        answers: facts by node.
    """
    findings = []
    for device in ("cuda", "cpu"):
        group = {n: f["machine_class"] for n, f in answers.items() if f["device"] == device}
        counts = Counter(sorted(group.values()))
        if len(counts) < 2:
            continue
        usual, number = counts.most_common(1)[0]
        for node, machine_class in group.items():
            if machine_class != usual:
                parts = "; ".join(differing_parts(machine_class, usual))
                found = f"differs from that of {number} of {len(group)} nodes: {parts}"
                remedy = (
                    "choose one with --machine-class NAME, or --allow-mixed: "
                    "bits agree within a machine class only"
                )
                findings.append(Finding(node, "machine class", found, remedy, "FAILED"))
    return findings


def differing_parts(machine_class: str, other: str) -> list[str]:
    """Return in which parts a machine class differs from another: ``AVX2 instead of AVX512``."""
    parts, others = _parts(machine_class), _parts(other)
    if len(parts) != len(others):
        return [f"{machine_class} instead of {other}"]
    differing = []
    for part, expected in zip(parts, others, strict=True):
        if part == expected:
            continue
        if not (part.startswith("[") and expected.startswith("[")):
            differing.append(f"{part} instead of {expected}")
            continue
        has, has_not = set(part.strip("[]").split()), set(expected.strip("[]").split())
        signed = [(" with", has - has_not), (" without", has_not - has)]
        differing += [f"{how.strip()} {' '.join(sorted(names))}" for how, names in signed if names]
    return differing


def _parts(machine_class: str) -> list[str]:
    """Split a machine class at commas, and around its bracketed list of CPU extensions."""
    pieces = re.split(r"(\[[^\]]*\])|, ", machine_class)
    return [piece.strip() for piece in pieces if piece and piece.strip()]


def _assess_use(
    node: str, gpu: Mapping[str, Any], host: str, own: Mapping[str, Any]
) -> list[Finding]:
    """Return a warning if others use a GPU; this command's own process does not count."""
    others = [pid for pid in gpu["processes"] if (host, pid) != (own["host"], own["pid"])]
    if not others and gpu["memory"] <= _MAX_GPU_MEMORY:
        return []
    running = f"{len(others)} other processes" if len(others) != 1 else f"process {others[0]}"
    found = f"{gpu['name']}: {running}, {gpu['memory'] / 1e9:.1f} GB in use"
    remedy = "wait for them or take another GPU: trials may run out of memory"
    return [Finding(node, "GPU in use", found, remedy, "warning")]


def _assess_cache(node: str, cache: Mapping[str, Any]) -> Finding:
    found = f"{cache['free'] / 1e9:.1f} GB free on {cache['file_system']}: {cache['path']}"
    remedy = "set GENRETUNE_CACHE to a local disk"
    if not cache["writable"]:
        return Finding(node, "cache", f"not writable: {cache['path']}", remedy, "warning")
    if cache["network"] and cache["in_home"]:
        remedy += ": it is in a home folder on the network, whose quota may be small"
    elif cache["free"] < _MIN_CACHE:
        remedy += " with more space: packed corpora lie there"
    else:
        return Finding(node, "cache", found)
    return Finding(node, "cache", found, remedy, "warning")


def _assess_write(node: str, seconds: float) -> Finding:
    found = f"{seconds * 1e3:.0f} ms to write and fsync 1 MB"
    if seconds <= _MAX_WRITE:
        return Finding(node, "storage", found)
    remedy = (
        f"choose a faster --out: workers wait for three such writes an epoch (limit "
        f"{_MAX_WRITE * 1e3:.0f} ms)"
    )
    return Finding(node, "storage", found, remedy, "warning")


def failed_if(remedy: str, node: str, check: str, found: str) -> Finding:
    """Return a finding that has failed if there is a remedy."""
    return Finding(node, check, found, remedy, "FAILED" if remedy else "ok")


def _access_finding(node: str, check: str, found: str, expected: str, remedy: str) -> Finding:
    return failed_if("" if found == expected else remedy, node, check, found)
