"""What ran a trial: versions, processor, and the machine class that its bits depend on."""

import functools
import os
import platform
import subprocess
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from genretune.tune.errors import TuneError
from genretune.tune.reproducibility.code_digest import MATTER, code_digest
from genretune.tune.reproducibility.literals import Device, Level

_PACKAGES = ("genretune", "torch", "torchaudio", "numpy", "scipy", "ray", "optuna", "pyarrow")
_OF_FILES = ("soundfile", "soxr", "safetensors")
# The extensions that ATen, oneDNN and MKL choose their kernels by.
_CPU_FLAGS = (
    "avx2",
    "fma",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "avx512_fp16",
    "avx_vnni",
    "amx_bf16",
    "amx_int8",
)


def environment(device: Device, level: Level) -> dict[str, Any]:
    """The environment of this process as ``result.json`` records it, a flat JSON object."""
    facts: dict[str, Any] = {
        "machine_class": machine_class(device, level),
        "python": platform.python_version(),
        **{name: _version(name) for name in (*_PACKAGES, *_OF_FILES)},
        "torch": torch.__version__,
        "os": f"{platform.system()} {platform.release()}",
        "libc": " ".join(platform.libc_ver()),
        "host": platform.node(),
        "cpu": _cpu()["model name"],
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "code": _code(),
        **_git(),
    }
    if device == "cuda":
        facts |= _gpu()
    return facts


def machine_class(device: Device, level: Level) -> str:
    """A name that is equal where equal bits are promised."""
    torch_version = f"torch {torch.__version__}"
    if device == "cuda":
        gpu = _gpu()
        return (
            f"{gpu['gpu']}, {gpu['sm_count']} SMs, driver {gpu['driver']}, CUDA {gpu['cuda']}, "
            f"cuDNN {gpu['cudnn']}, {torch_version}"
        )
    if level == "portable":
        return f"portable {platform.machine()}, {torch_version}"
    cpu = _cpu()
    flags = set(cpu.get("flags", "").split())
    found = [flag for flag in _CPU_FLAGS if flag in flags]
    capability = torch.backends.cpu.get_cpu_capability()
    vendor = cpu.get("vendor_id", platform.machine())
    return f"{vendor} {capability} [{' '.join(found)}], {torch_version}"


def computes_bf16() -> bool:
    """Whether this CPU multiplies bfloat16 itself; others only store it, slowly."""
    flags = _cpu().get("flags", "").split()
    return "avx512_bf16" in flags or "amx_bf16" in flags


def differences(recorded: Mapping[str, Any], current: Mapping[str, Any]) -> list[str]:
    """``name: recorded -> current`` for each fact that differs; hosts do not count."""
    names = [*recorded, *(name for name in current if name not in recorded)]
    return [
        f"{name}: {_shown(name, recorded.get(name))} -> {_shown(name, current.get(name))}"
        for name in names
        if name != "host" and recorded.get(name) != current.get(name)
    ]


def _shown(name: str, value: Any) -> Any:
    """A fact for people: digests are cut."""
    return value[:12] if name == "code" and isinstance(value, str) else value


@functools.cache
def _code() -> str | None:
    """Digest of the code that bits depend on, as this process found it."""
    return code_digest(MATTER)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


@functools.cache
def _cpu() -> dict[str, str]:
    """The first processor of /proc/cpuinfo; elsewhere what Python knows."""
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    except OSError:
        return {"model name": platform.processor() or platform.machine()}
    pairs = (line.partition(":") for line in lines)
    return {"model name": platform.machine()} | {k.strip(): v.strip() for k, _, v in pairs}


def available_device() -> Device:
    """``cuda`` where torch sees one, else ``cpu``: what ``device: auto`` means here."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def require_device(device: Device) -> None:
    """Raise TuneError where this machine does not have ``device``."""
    if device == "cuda" and not torch.cuda.is_available():
        raise TuneError(
            "device: cuda needs a GPU that torch can use, got none here (device=cpu, or run it "
            "where there is one)"
        )


def _gpu() -> dict[str, Any]:
    # Written from the documentation; never run on a GPU.
    require_device("cuda")
    properties = torch.cuda.get_device_properties(torch.cuda.current_device())
    return {
        "gpu": properties.name,
        "sm_count": properties.multi_processor_count,
        "driver": _driver_version(),
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
    }


@functools.cache
def _driver_version() -> str | None:
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    lines = _output(query)
    return lines.splitlines()[0].strip() if lines else None


@functools.cache
def _git() -> dict[str, Any]:
    """Commit and state of the source tree that this code runs from; null for an installed one."""
    root = Path(__file__).resolve().parent.parent.parent
    if not (root / ".git").exists():
        return {"git_commit": None, "git_dirty": None}
    commit = _output(["git", "-C", str(root), "rev-parse", "HEAD"])
    status = _output(["git", "-C", str(root), "status", "--porcelain"])
    return {
        "git_commit": commit.strip() if commit else None,
        "git_dirty": None if status is None else bool(status.strip()),
    }


def _output(command: list[str]) -> str | None:
    """What a command prints, or None where it is missing or fails."""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout
