"""Determinism levels: the environment variables that each wants, set before torch is imported.

Sources: https://docs.pytorch.org/docs/stable/notes/randomness.html,
https://docs.nvidia.com/cuda/cublas/#results-reproducibility,
https://www.intel.com/content/www/us/en/docs/onemkl/developer-guide-linux/current/obtaining-numerically-reproducible-results.html
"""

import os
import sys
from collections.abc import Sequence

from genretune.tune.reproducibility.literals import Level

# Read by ATen, oneDNN and MKL at their first operation; None: must not be set.
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
# Read by glibc when a process starts; no bit depends on it. Every large block is kept and given
# out again, in huge pages, whatever thread asks: page faults are a third of a CPU step's time.
# What a process can set at run time (determinism.keep_memory) reaches its main thread only.
MEMORY = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "8000000000",
    "MALLOC_TRIM_THRESHOLD_": "16000000000",
    # one setting only: glibc cuts this variable at the first colon for the process's children
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
}


def differing(level: Level) -> dict[str, str | None]:
    """Variables that are not as ``level`` wants them, with the wanted values."""
    return {
        name: value for name, value in ENVIRONMENT[level].items() if os.environ.get(name) != value
    }


def reexec_with_level(level: Level, arguments: Sequence[str]) -> None:
    """Replace this process by one with the level's environment, unless it has it already.

    A level that is none is left for the configuration's own check to refuse.

    Args:
        arguments: what follows ``genretune`` on the command line.
    """
    if not isinstance(level, str) or level not in ENVIRONMENT:
        return
    # what the user has told glibc stands
    memory = {name: value for name, value in MEMORY.items() if name not in os.environ}
    wanted: dict[str, str | None] = {**differing(level), **memory}
    if not wanted:
        return
    environment = {k: v for k, v in os.environ.items() if k not in wanted}
    environment |= {k: v for k, v in wanted.items() if v is not None}
    sys.stdout.flush()
    sys.stderr.flush()
    command = [sys.executable, "-m", "genretune.scripts.cli", *arguments]
    os.execve(sys.executable, command, environment)
