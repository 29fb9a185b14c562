"""Torch's global flags that a trial's bits depend on, set again before every trial."""

import ctypes
import os
import platform
from typing import Any

import torch

from genretune.tune.errors import RefusedEnvironment
from genretune.tune.reproducibility.determinism_env import (
    mismatched_variables,
    refuse_tf32_overrides,
)
from genretune.tune.reproducibility.literals import Level, Precision

_M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD = -3, -1  # parameters of mallopt(3), from malloc.h


def apply(level: Level, *, threads: int, precision: Precision) -> None:
    """Set every torch flag that the trial's bits depend on, overriding what earlier trials set.

    Raises:
        RefusedEnvironment: the process was started without the environment variables of ``level``,
            or with one that overrides ``precision``.
    """
    refuse_tf32_overrides(level)
    # The libraries read these variables once, at their first operation: too late to set them here.
    if mismatched := mismatched_variables(level):
        name, value = next(iter(mismatched.items()))
        raise RefusedEnvironment(
            f"determinism: {level} needs {name} "
            f"{'unset' if value is None else '= ' + value}, got {os.environ.get(name)!r} "
            "(set it before Python starts, or use the genretune command, which sets it)"
        )
    deterministic = level != "off"
    # A reduction split over another number of threads adds in another order.
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(deterministic)
    # Deterministic mode also fills new tensors with NaN to expose reads of uninitialised memory;
    # that costs time and is not needed for equal bits.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.deterministic = deterministic
    # Benchmark mode picks kernels by measured time, so two runs may pick different ones.
    torch.backends.cudnn.benchmark = not deterministic
    _set_float32_precision(precision)
    _set_reductions(reduced=not deterministic)
    torch.set_flush_denormal(False)
    torch.set_grad_enabled(True)
    torch.set_default_dtype(torch.float32)
    retain_freed_memory()


def _set_float32_precision(precision: Precision) -> None:
    tf32 = precision == "tf32"
    # torch's newer settings, to which those below fall back: a plug-in may have set them, also to
    # bfloat16 for convolutions on a CPU
    backends: Any = torch.backends
    mkldnn = backends.mkldnn
    for settings in (backends, backends.cudnn, mkldnn, mkldnn.conv, mkldnn.rnn):
        settings.fp32_precision = "none"
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.backends.cudnn.allow_tf32 = tf32


def _set_reductions(*, reduced: bool) -> None:
    """Set in which precision products of 16-bit matrices are summed on a GPU.

    Source: https://docs.pytorch.org/docs/stable/notes/cuda.html

    Args:
        reduced: whether partial sums may be rounded to 16 bits, torch's default; sums themselves
            are always taken in float32.
    """
    matmul = torch.backends.cuda.matmul
    matmul.allow_fp16_reduced_precision_reduction = reduced
    matmul.allow_bf16_reduced_precision_reduction = reduced
    matmul.allow_fp16_accumulation = False
    torch.backends.cuda.allow_fp16_bf16_reduction_math_sdp(False)


def retain_freed_memory() -> None:
    """Make glibc reuse large freed blocks instead of returning them to the system.

    Changes no bit; avoids the page faults that take half of a CPU step's time.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(_M_MMAP_THRESHOLD, 2**31 - 1)
        libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
