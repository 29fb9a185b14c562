"""Memory of the process that trains: its share of a GPU, and the peak that it reached.

A share changes bits: where a convolution's workspace does not fit, cuDNN takes another engine. The
limit makes this a function of the share instead of what other processes happen to hold. The part
for GPUs was never run on one.
"""

import resource
import sys
from contextlib import suppress
from pathlib import Path

import torch

from genretune.tune.errors import RunFailure
from genretune.tune.reproducibility.literals import Device

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def limit_gpu_memory(share: float) -> None:
    """Limit what torch may allocate on its current GPU to a share of the GPU's memory.

    Call it where CUDA is available, at the start of a segment: a process trains several, and the
    share of the last one would stay. 1.0 is no limit. The CUDA context is not counted.

    Raises:
        RunFailure: the share is not above 0 and at most 1.
    """
    if not 0.0 < share <= 1.0:
        raise RunFailure(f"share of a GPU: must be above 0 and at most 1, got {share}")
    torch.cuda.set_per_process_memory_fraction(share)


def empty_gpu_cache() -> None:
    """Return the memory that torch has cached to the GPU; nothing to do without one.

    Blocks that an earlier trial of this process left behind would count into the share.
    """
    torch.cuda.empty_cache()


def device_memory(device: Device) -> int:
    """Return the bytes of torch's current GPU, or of this machine where trials run on CPUs."""
    if device == "cuda":
        return int(torch.cuda.get_device_properties(torch.cuda.current_device()).total_memory)
    import psutil  # only a node's description needs it, not a trial

    return int(psutil.virtual_memory().total)


def reset_peak_memory(device: Device) -> None:
    """Let ``peak_memory`` count from now on, as far as the system lets it.

    A container may forbid it for the process; its peak then counts from the process's start.
    """
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    with suppress(OSError):
        _CLEAR.write_text("5")  # proc(5): resets the peak resident set size


def peak_memory(device: Device) -> dict[str, int | None]:
    """Return the peak memory of this process, in bytes.

    Returns:
        ``device_bytes``, what torch reserved on the GPU, None on a CPU; ``process_bytes``, the
        resident set size.
    """
    reserved = torch.cuda.max_memory_reserved() if device == "cuda" else None
    return {"device_bytes": reserved, "process_bytes": _peak_resident()}


def _peak_resident() -> int:
    with suppress(OSError):
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # KiB on Linux
