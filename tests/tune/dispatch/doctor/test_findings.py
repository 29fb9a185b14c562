"""Facts of a node become findings, each problem with a remedy."""

from pathlib import Path
from typing import Any

import pytest

from genretune.tune.dispatch.doctor.findings import (
    Finding,
    assess,
    assess_gpus,
    compare_machine_classes,
    differing_parts,
)
from genretune.tune.dispatch.doctor.node_facts import collect_facts, process_facts

OWN = {"host": "head", "pid": 1}
CACHE = {
    "path": "/home/me/.cache/genretune",
    "file_system": "nfs4",
    "network": True,
    "in_home": True,
    "free": 1e12,
    "writable": True,
}
INTEL = "GenuineIntel AVX512 [avx2 fma avx512f], torch 2.14"
H100 = "NVIDIA H100, 132 SMs, driver 580.1, CUDA 13.0, cuDNN 91000, torch 2.14"


def gpu(number: int) -> dict[str, str]:
    return {"name": "H100", "uuid": str(number)}


def in_use(number: int, *pids: int, memory: float = 5e8) -> dict[str, Any]:
    return {"name": "H100", "uuid": f"GPU-{number}", "memory": memory, "processes": [*pids]}


def gpu_findings(
    torch: list[dict[str, str]], driver: list[dict[str, Any]] | None, counted: float
) -> list[Finding]:
    facts = {"host": "there", "gpus": torch, "driver_gpus": driver}
    return assess_gpus("node", facts, OWN, counted)


def test_this_machine_passes_every_check(tmp_path: Path) -> None:
    facts = collect_facts({"data": str(tmp_path), "out": str(tmp_path / "runs" / "new")})
    facts["write"] = 0.01
    span = (facts["time"], facts["time"])
    findings = assess("here", facts | {"memory": 4e9, "disk": 4e9}, process_facts(), span)
    assert all(one.severity != "FAILED" for one in findings), findings
    names = {finding.check for finding in findings}
    assert {"versions", "data", "run directory", "free disk", "free memory", "clock"} <= names
    assert {"answers", "machine class", "storage", "cache"} <= names


@pytest.mark.parametrize(
    ("change", "check", "found", "severity"),
    [
        ({"python": "3.9"}, "versions", "python 3.9 instead of", "FAILED"),
        ({"data": "No such file or directory: /x"}, "data", "No such file", "FAILED"),
        ({"run_directory": "Read-only: /x", "disk": 0}, "run directory", "Read-only", "FAILED"),
        ({"disk": 1e6}, "free disk", "0.0 GB", "FAILED"),
        ({"memory": 1e6}, "free memory", "0.0 GB", "FAILED"),
        ({"time": 0.0}, "clock", "s off", "FAILED"),
        ({"machine_class": "unknown: no driver"}, "machine class", "no driver", "FAILED"),
        ({"s3": "no such bucket"}, "S3", "bucket", "FAILED"),
        ({"write": 0.25}, "storage", "250 ms to write and fsync 1 MB", "warning"),
        ({"cache": CACHE}, "cache", "free on nfs4: /home/me/.cache", "warning"),
        ({"cache": CACHE | {"network": False, "free": 1e9}}, "cache", "1.0 GB free", "warning"),
        ({"cache": CACHE | {"writable": False}}, "cache", "not writable", "warning"),
    ],
)
def test_each_problem_has_a_remedy(
    change: dict[str, Any], check: str, found: str, severity: str, tmp_path: Path
) -> None:
    own = collect_facts({"data": str(tmp_path), "out": str(tmp_path)})
    span = (own["time"], own["time"] + 1)
    (finding,) = [one for one in assess("there", own | change, own, span) if one.check == check]
    assert finding.severity == severity and finding.remedy
    assert found in finding.found


def test_a_cache_on_scratch_that_machines_share_is_fine(tmp_path: Path) -> None:
    own = collect_facts({"data": None, "out": None}) | {"cache": CACHE | {"in_home": False}}
    (finding,) = [one for one in assess("x", own, own, (0.0, 9e9)) if one.check == "cache"]
    assert finding.severity == "ok" and not finding.remedy


@pytest.mark.parametrize(
    ("torch", "driver", "counted", "severity", "found", "remedy"),
    [
        ([], None, 0, "ok", "none", ""),
        ([gpu(0)], [in_use(0)], 1, "ok", "H100", ""),
        ([gpu(0)], None, 1, "ok", "H100", ""),
        ([], None, 1, "FAILED", "torch sees 0, no NVIDIA driver", "--num-gpus=0"),
        ([], [in_use(0)], 1, "FAILED", "the NVIDIA driver has 1", "install the torch"),
        ([gpu(0)], [in_use(0)], 2, "FAILED", "Ray counts 2, torch sees 1", "install"),
        ([gpu(0), gpu(1)], None, 0, "warning", "Ray counts 0, torch sees 2", "--num-gpus=2"),
        ([], [in_use(0)], 0, "warning", "the NVIDIA driver has 1", "--gpus-per-node"),
    ],
)
def test_ray_torch_and_the_driver_must_agree_on_gpus(
    torch: list[dict[str, str]],
    driver: list[dict[str, Any]] | None,
    counted: float,
    severity: str,
    found: str,
    remedy: str,
) -> None:
    (finding,) = gpu_findings(torch, driver, counted)
    assert (finding.check, finding.severity) == ("GPUs", severity)
    assert found in finding.found and remedy in finding.remedy


def test_a_gpu_that_others_use_is_a_warning() -> None:
    _, finding = gpu_findings([gpu(0)], [in_use(0, 77, memory=1.2e10)], 1)
    assert (finding.check, finding.severity) == ("GPU in use", "warning")
    assert finding.found == "H100: process 77, 12.0 GB in use" and finding.remedy


def test_memory_in_use_counts_where_a_container_hides_the_processes() -> None:
    _, finding = gpu_findings([gpu(0)], [in_use(0, memory=1.2e10)], 1)
    assert finding.severity == "warning" and "0 other processes" in finding.found


def test_hidden_gpus_and_this_command_itself_are_not_others() -> None:
    hidden = in_use(1, 77, memory=1.2e10)
    assert len(gpu_findings([gpu(0)], [in_use(0), hidden], 1)) == 1
    facts = {"host": "head", "gpus": [gpu(0)], "driver_gpus": [in_use(0, 1)]}
    assert len(assess_gpus("node", facts, OWN, 1)) == 1, "the driver's own process"


@pytest.mark.parametrize(
    ("one", "parts"),
    [
        (INTEL, []),
        (INTEL.replace("AVX512 ", "AVX2 "), ["GenuineIntel AVX2 instead of GenuineIntel AVX512"]),
        (INTEL.replace(" avx512f", " amx"), ["with amx", "without avx512f"]),
        (INTEL.replace("torch 2.14", "torch 2.13"), ["torch 2.13 instead of torch 2.14"]),
        (H100, [f"{H100} instead of {INTEL}"]),
    ],
)
def test_the_differing_parts_of_a_machine_class_are_named(one: str, parts: list[str]) -> None:
    assert differing_parts(one, INTEL) == parts


def test_nodes_of_another_machine_class_than_most_are_named() -> None:
    driver = H100.replace("580.1", "570.0")
    answers = {
        "a": {"machine_class": H100, "device": "cuda"},
        "b": {"machine_class": driver, "device": "cuda"},
        "c": {"machine_class": H100, "device": "cuda"},
        "head": {"machine_class": INTEL, "device": "cpu"},
    }
    (finding,) = compare_machine_classes(answers)
    assert (finding.node, finding.severity) == ("b", "FAILED")
    assert finding.found == (
        "differs from that of 2 of 3 nodes: driver 570.0 instead of driver 580.1"
    )
    assert "--machine-class" in finding.remedy


def test_equal_machine_classes_are_no_finding() -> None:
    assert (
        compare_machine_classes({n: {"machine_class": H100, "device": "cuda"} for n in "ab"}) == []
    )
