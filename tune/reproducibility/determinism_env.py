"""Environment variables of each determinism level, set before torch is imported.

Sources: https://docs.pytorch.org/docs/stable/notes/randomness.html,
https://docs.nvidia.com/cuda/cublas/#results-reproducibility,
https://www.intel.com/content/www/us/en/docs/onemkl/developer-guide-linux/current/obtaining-numerically-reproducible-results.html
"""

import os
import sys
from collections.abc import Sequence

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


def reexec_with_level(level: Level, arguments: Sequence[str]) -> None:
    """Replace this process by one with the level's environment, unless it has it already.

    An unknown level is ignored here: validation of the configuration reports it.

    Args:
        arguments: the command line after ``genretune``.
    """
    if not isinstance(level, str) or level not in ENVIRONMENT:
        return
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
