"""Facts of the GPU that torch uses, and of its driver. Never run on a GPU so far."""

import functools
import re
from pathlib import Path
from typing import Any

import torch

from genretune.tune.errors import RunFailure

_PROC = Path("/proc/driver/nvidia/version")


def gpu_facts() -> dict[str, Any]:
    """Return model, number of SMs, driver, CUDA and cuDNN of torch's current GPU.

    Raises:
        RunFailure: the version of the driver is not known.
    """
    properties = torch.cuda.get_device_properties(torch.cuda.current_device())
    return {
        "gpu": properties.name,
        "sm_count": properties.multi_processor_count,
        "driver": driver_version(),
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
    }


@functools.cache  # an exception is not cached: the next call asks again
def driver_version() -> str:
    """Return the version of the NVIDIA driver, of which a machine has one for all its GPUs.

    Raises:
        RunFailure: neither NVML nor the kernel module tells it.
    """
    version, why = _version_from_nvml()
    if version is not None:
        return version
    try:
        text = _PROC.read_text()
    except OSError:
        text = ""
    # NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.10  Release Build ...
    if match := re.search(r"Kernel Module\D.*?\s(\d+(?:\.\d+)+)\s", text):
        return match[1]
    raise RunFailure(
        f"GPU: its driver's version must be known, got none from NVML ({why}) or {_PROC} "
        "(make libnvidia-ml.so.1 visible, in a container by the driver capability utility)"
    )


def _version_from_nvml() -> tuple[str | None, str]:
    """Return the version, or None and why there is none."""
    try:
        import pynvml
    except ImportError as error:  # a machine that has torch, but not all that genretune asks for
        return None, str(error)
    try:
        pynvml.nvmlInit()
        try:
            version = pynvml.nvmlSystemGetDriverVersion()
        finally:
            pynvml.nvmlShutdown()
    except pynvml.NVMLError as error:
        return None, str(error)
    return (version.decode() if isinstance(version, bytes) else str(version)), ""
