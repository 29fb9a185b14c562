"""Environment variables of each determinism level, set before torch is imported.

Sources: https://docs.pytorch.org/docs/stable/notes/randomness.html,
https://docs.nvidia.com/cuda/cublas/#results-reproducibility,
https://www.intel.com/content/www/us/en/docs/onemkl/developer-guide-linux/current/obtaining-numerically-reproducible-results.html
"""

import os
import sys
from collections.abc import Sequence

from genretune.tune.errors import RefusedEnvironment
from genretune.tune.reproducibility.literals import Level

# Read by ATen, oneDNN and MKL at their first operation. Without them each library picks kernels by
# the CPU's instruction set, and another kernel rounds differently.
_INSTRUCTION_SET = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_CBWR": "COMPATIBLE",
}
_CUBLAS = {"CUBLAS_WORKSPACE_CONFIG": ":4096:8"}
ENVIRONMENT: dict[Level, dict[str, str | None]] = {
    "strict": {**_CUBLAS, **dict.fromkeys(_INSTRUCTION_SET)},
    "portable": {**_CUBLAS, **_INSTRUCTION_SET},
    "off": {},
}
"""Value of each variable by level; None means that it must not be set."""

TF32_OVERRIDES = ("NVIDIA_TF32_OVERRIDE", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE")
"""Variables that override the precision of a trial, by torch's documentation.

Torch 2.14 takes the second one for the initial value of a flag that a trial sets anew; it is
refused nevertheless, as other versions let it win.

Source: https://docs.pytorch.org/docs/stable/cuda_environment_variables.html
"""

MALLOC_ENVIRONMENT = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "8000000000",
    "MALLOC_TRIM_THRESHOLD_": "16000000000",
    # One setting only: glibc cuts this variable at the first colon for child processes.
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
}
"""Variables that make glibc reuse large blocks, in huge pages, in every thread.

glibc reads them when a process starts; no bit depends on them. They avoid page faults, which take
a third of a CPU step's time. The equivalent at run time (``determinism.retain_freed_memory``)
affects the main thread only.
"""


def mismatched_variables(level: Level) -> dict[str, str | None]:
    """Return the variables whose values differ from those of ``level``, with the right values."""
    return {
        name: value for name, value in ENVIRONMENT[level].items() if os.environ.get(name) != value
    }


def refuse_tf32_overrides(level: Level) -> None:
    """Check that no variable overrides the precision of trials.

    They are refused on a machine without a GPU, too: a sweep may move to one.

    Raises:
        RefusedEnvironment: one of them is set, and the level is not ``off``.
    """
    for name in TF32_OVERRIDES:
        if level != "off" and name in os.environ:
            raise RefusedEnvironment(
                f"determinism: {level} needs {name} unset, got {os.environ[name]!r} "
                f"(unset {name} where Python starts; precision=tf32 allows TF32)"
            )


def reexec_with_level(level: Level, arguments: Sequence[str]) -> None:
    """Replace this process by one with the level's environment, unless it has it already.

    An unknown level is ignored here: validation of the configuration reports it.

    Args:
        arguments: the command line after ``genretune``.

    Raises:
        RefusedEnvironment: a variable overrides the precision of trials.
    """
    if not isinstance(level, str) or level not in ENVIRONMENT:
        return
    refuse_tf32_overrides(level)
    # Allocator settings of the user take precedence over ours.
    malloc = {name: value for name, value in MALLOC_ENVIRONMENT.items() if name not in os.environ}
    changes: dict[str, str | None] = {**mismatched_variables(level), **malloc}
    if not changes:
        return
    environment = {k: v for k, v in os.environ.items() if k not in changes}
    environment |= {k: v for k, v in changes.items() if v is not None}
    # exec discards Python's buffers: without the flush, output printed so far would be lost.
    sys.stdout.flush()
    sys.stderr.flush()
    command = [sys.executable, "-m", "genretune.scripts.cli", *arguments]
    os.execve(sys.executable, command, environment)
