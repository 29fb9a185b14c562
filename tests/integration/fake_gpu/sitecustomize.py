"""A stand-in for a GPU: workers that have this folder in PYTHONPATH claim one and train on the CPU.

Python imports this module when it starts. It changes torch, NVML and two modules of the
package as soon as they are imported.
"""

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Callable, Sequence
from types import ModuleType, SimpleNamespace
from typing import Any


def change_torch(torch: Any) -> None:
    gpu = SimpleNamespace(name="Fake GPU", multi_processor_count=1, total_memory=8_000_000_000)
    torch.cuda.current_device = lambda: 0
    torch.cuda.get_device_properties = lambda device: gpu
    torch.cuda.set_per_process_memory_fraction = lambda share: None
    torch.cuda.empty_cache = lambda: None
    torch.cuda.reset_peak_memory_stats = lambda: None
    torch.cuda.max_memory_reserved = lambda: 123_000_000
    torch.backends.cudnn.version = lambda: 90000


def change_nvml(pynvml: Any) -> None:
    pynvml.nvmlInit = pynvml.nvmlShutdown = lambda: None
    pynvml.nvmlSystemGetDriverVersion = lambda: "570.1"


def change_environment(environment: Any) -> None:
    environment.available_device = lambda: "cuda"
    environment.require_device = lambda device: None


def change_components(components: Any) -> None:
    import torch

    components.torch_device = lambda name: torch.device("cpu")


Execute = Callable[[ModuleType], None]
CHANGES: dict[str, Callable[[Any], None]] = {
    "torch": change_torch,
    "pynvml": change_nvml,
    "genretune.tune.reproducibility.environment": change_environment,
    "genretune.tune.training.components": change_components,
}


def changing(execute: Execute, change: Callable[[Any], None]) -> Execute:
    def execute_and_change(module: ModuleType) -> None:
        execute(module)
        change(module)

    return execute_and_change


class Changer(importlib.abc.MetaPathFinder):
    """Lets the usual finders find a module, and changes it once it is executed."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name not in CHANGES:
            return None
        for finder in sys.meta_path:
            spec = None if finder is self else finder.find_spec(name, path, target)
            if spec is not None and spec.loader is not None:
                execute = spec.loader.exec_module
                spec.loader.exec_module = changing(execute, CHANGES[name])  # type: ignore[method-assign]
                return spec
        return None


sys.meta_path.insert(0, Changer())
