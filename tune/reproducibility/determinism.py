"""Torch's flags that bits depend on, all set anew for every trial."""

import ctypes
import os
import platform

import torch

from genretune.tune.errors import TuneError
from genretune.tune.reproducibility.determinism_env import differing
from genretune.tune.reproducibility.literals import Level, Precision

_M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD = -3, -1


def apply(level: Level, *, threads: int, precision: Precision) -> None:
    """Set every flag that the trial's bits depend on, whatever a trial before it left behind.

    Raises:
        TuneError: the process was started with another environment than the level wants.
    """
    if wanted := differing(level):
        name, value = next(iter(wanted.items()))
        raise TuneError(
            f"determinism: {level} needs {name} "
            f"{'unset' if value is None else '= ' + value}, got {os.environ.get(name)!r} "
            "(set it before Python starts, or use the genretune command, which does)"
        )
    exact = level != "off"
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(exact)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.deterministic = exact
    torch.backends.cudnn.benchmark = not exact
    _set_float32_precision(precision)
    torch.set_flush_denormal(False)
    torch.set_grad_enabled(True)
    torch.set_default_dtype(torch.float32)
    keep_memory()


def _set_float32_precision(precision: Precision) -> None:
    tf32 = precision == "tf32"
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.backends.cudnn.allow_tf32 = tf32


def keep_memory() -> None:
    """Let glibc keep large blocks: bits stay, page faults (half of a CPU step's time) go."""
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(_M_MMAP_THRESHOLD, 2**31 - 1)
        libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
