"""Process settings that bits depend on: environment variables, then torch's flags.

Sources: https://docs.pytorch.org/docs/stable/notes/randomness.html,
https://docs.nvidia.com/cuda/cublas/#results-reproducibility,
https://www.intel.com/content/www/us/en/docs/onemkl/developer-guide-linux/current/obtaining-numerically-reproducible-results.html
"""

import ctypes
import os
import platform
import sys

import torch

from genretune.tune.config import Level, Precision, TrialConfig
from genretune.tune.errors import TuneError

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
_M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD = -3, -1


def differing(level: Level) -> dict[str, str | None]:
    """Variables that are not as ``level`` wants them, with the wanted values."""
    return {
        name: value for name, value in ENVIRONMENT[level].items() if os.environ.get(name) != value
    }


def start_anew(level: Level, arguments: list[str]) -> None:
    """Replace this process by one with the level's environment, unless it has it already.

    Args:
        arguments: what follows ``genretune`` on the command line.
    """
    wanted = differing(level)
    if not wanted:
        return
    environment = {**os.environ, **{k: v for k, v in wanted.items() if v is not None}}
    for name in (k for k, v in wanted.items() if v is None):
        environment.pop(name, None)
    sys.stdout.flush()
    sys.stderr.flush()
    command = [sys.executable, "-m", "genretune.scripts.cli", *arguments]
    os.execve(sys.executable, command, environment)


def apply(config: TrialConfig) -> None:
    """Set every flag that the trial's bits depend on, whatever a trial before it left behind.

    Raises:
        TuneError: the process was started with another environment than the level wants.
    """
    if wanted := differing(config.determinism):
        name, value = next(iter(wanted.items()))
        raise TuneError(
            f"determinism: {config.determinism} needs {name} "
            f"{'unset' if value is None else '= ' + value}, got {os.environ.get(name)!r} "
            "(set it before Python starts, or use the genretune command, which does)"
        )
    exact = config.determinism != "off"
    torch.set_num_threads(config.threads)
    torch.use_deterministic_algorithms(exact)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.deterministic = exact
    torch.backends.cudnn.benchmark = not exact
    _set_float32_precision(config.precision)
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
