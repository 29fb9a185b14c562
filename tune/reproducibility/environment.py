"""A trial's environment: versions, hardware, and the machine class that its bits depend on."""

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
from genretune.tune.reproducibility.code_digest import NUMERICS_FOLDERS, code_digest
from genretune.tune.reproducibility.gpu_facts import gpu_facts
from genretune.tune.reproducibility.literals import Device, Level

_PACKAGES = ("genretune", "torch", "torchaudio", "numpy", "scipy", "ray", "optuna", "pyarrow")
_IO_PACKAGES = ("soundfile", "soxr", "safetensors")
# Instruction set extensions by which ATen, oneDNN and MKL select kernels.
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


def environment(device: Device, level: Level, gpu_share: float = 1.0) -> dict[str, Any]:
    """Return this process's environment as recorded in ``result.json``, a flat JSON object.

    Args:
        gpu_share: the share of its GPU that the trial is granted; ignored on a CPU.

    Raises:
        TuneError: there is no GPU that torch can use.
        RunFailure: the version of the GPU's driver is not known.
    """
    facts: dict[str, Any] = {
        "machine_class": machine_class(device, level, gpu_share),
        "python": platform.python_version(),
        **{name: _version(name) for name in (*_PACKAGES, *_IO_PACKAGES)},
        "torch": torch.__version__,
        "os": f"{platform.system()} {platform.release()}",
        "libc": " ".join(platform.libc_ver()),
        "host": platform.node(),
        "cpu": _cpu()["model name"],
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "code": _code_digest(),
        **_git(),
    }
    if device == "cuda":
        facts |= gpu_facts() | {"gpu_share": gpu_share}
    return facts


def machine_class(device: Device, level: Level, gpu_share: float = 1.0) -> str:
    """Return the machine class: machines of one class compute equal bits at ``level``.

    On a CPU it names the vendor, the instruction set and torch; at ``portable`` only the
    architecture and torch.

    On a GPU it names the model, driver, CUDA, cuDNN, torch, the share of the GPU if it is not the
    whole of it, and the host's CPU like that of a CPU: the filter banks of a feature follow the
    instruction set that MKL picks, initial weights that of ATen. So two hosts with equal GPUs and
    different CPUs are two machine classes. The variables of ``portable`` would make them one, but
    a process needs them before it starts, when it is not known yet whether it will train on a GPU,
    and no GPU has ever confirmed it.

    Args:
        gpu_share: the share of its GPU that the trial is granted; ignored on a CPU.

    Raises:
        TuneError: there is no GPU that torch can use.
        RunFailure: the version of the GPU's driver is not known.
    """
    torch_version = f"torch {torch.__version__}"
    if device == "cuda":
        require_device("cuda")
        gpu = gpu_facts()
        share = f", {gpu_share:g} of the GPU" if gpu_share < 1.0 else ""
        return (
            f"{gpu['gpu']}, {gpu['sm_count']} SMs, driver {gpu['driver']}, CUDA {gpu['cuda']}, "
            f"cuDNN {gpu['cudnn']}, {torch_version}{share}, host {_cpu_class()}"
        )
    if level == "portable":
        return f"portable {platform.machine()}, {torch_version}"
    return f"{_cpu_class()}, {torch_version}"


def _cpu_class() -> str:
    """Return the vendor and instruction set, by which ATen, oneDNN and MKL select kernels."""
    cpu = _cpu()
    flags = set(cpu.get("flags", "").split())
    extensions = [flag for flag in _CPU_FLAGS if flag in flags]
    capability = torch.backends.cpu.get_cpu_capability()
    vendor = cpu.get("vendor_id", platform.machine())
    return f"{vendor} {capability} [{' '.join(extensions)}]"


def has_native_bf16() -> bool:
    """Return whether this CPU multiplies in bfloat16; others emulate it, slowly."""
    flags = _cpu().get("flags", "").split()
    return "avx512_bf16" in flags or "amx_bf16" in flags


def differences(recorded: Mapping[str, Any], current: Mapping[str, Any]) -> list[str]:
    """Return ``name: recorded -> current`` for each fact that differs, except the host."""
    names = [*recorded, *(name for name in current if name not in recorded)]
    return [
        f"{name}: {_displayed(name, recorded.get(name))} -> {_displayed(name, current.get(name))}"
        for name in names
        if name != "host" and recorded.get(name) != current.get(name)
    ]


def _displayed(name: str, value: Any) -> Any:
    """Shorten the code digest for display."""
    return value[:12] if name == "code" and isinstance(value, str) else value


@functools.cache
def _code_digest() -> str | None:
    """Return the digest of the code that bits depend on, as it was at the first call.

    Cached: an edit of the sources during a run does not change the code already imported.
    """
    return code_digest(NUMERICS_FOLDERS)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


@functools.cache
def _cpu() -> dict[str, str]:
    """Return the first processor of /proc/cpuinfo, or only a name on other systems."""
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    except OSError:
        return {"model name": platform.processor() or platform.machine()}
    pairs = (line.partition(":") for line in lines)
    return {"model name": platform.machine()} | {k.strip(): v.strip() for k, _, v in pairs}


def available_device() -> Device:
    """Return ``cuda`` if torch can use a GPU, else ``cpu``: the meaning of ``device: auto``."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def require_device(device: Device) -> None:
    """Raise TuneError if this machine does not have ``device``."""
    if device == "cuda" and not torch.cuda.is_available():
        raise TuneError(
            "device: cuda needs a GPU that torch can use, got none here (set device=cpu, or "
            "use a machine with a GPU)"
        )


@functools.cache
def _git() -> dict[str, Any]:
    """Return the commit and state of the source tree; None if the package is installed."""
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
    """Return the output of a command, or None if it is missing or fails."""
    try:
        completed = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
            # git status must not take a lock in the user's tree only to refresh its index
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return completed.stdout
