"""A GPU made of fake tensors: every operation that a GPU would run, with shapes and no values.

Tensors of torch's ``FakeTensorMode`` say that they lie on ``cuda`` on a machine without a GPU. An
operation on one of them and a tensor that was left on the CPU raises, as on a GPU.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map

COPIES = {Tensor.to, Tensor.cuda, torch.tensor, torch.as_tensor}


class FakeCuda(TorchFunctionMode):
    """While it is active, what is asked for on ``cuda`` is a fake tensor; all else is as ever.

    Values are computed on the CPU, as they are with a GPU: seeds, draws, filter banks. Three things
    do not work with fake tensors and are left out: the backward pass, page-locked memory, and
    reading a value back, which raises, as a step must not do it.

    Attributes:
        losses: those whose backward pass was left out.
        operations: names of the aten operations that ran on fake tensors.
        copied: what was copied from the CPU, in order.
    """

    def __init__(self) -> None:
        super().__init__()
        self.losses: list[Tensor] = []
        self.operations: set[str] = set()
        self.copied: list[Any] = []
        self._mode = _RecordingMode(self.operations)

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is Tensor.pin_memory:
            return args[0]
        if func is Tensor.backward:
            assert args[0].is_cuda and args[0].requires_grad
            self.losses.append(args[0])
            return None
        if _asks_for_cuda(func, args, kwargs):
            if func in COPIES and not isinstance(args[0], FakeTensor):
                self.copied.append(args[0])
            args = tree_map(self._fake, args)
        elif not any(isinstance(value, FakeTensor) for value in tree_leaves((args, kwargs))):
            return func(*args, **kwargs)
        with self._mode:
            return func(*args, **kwargs)

    def _fake(self, value: Any) -> Any:
        real = isinstance(value, Tensor) and not isinstance(value, FakeTensor)
        return self._mode.from_tensor(value) if real else value


class _RecordingMode(FakeTensorMode):
    def __init__(self, operations: set[str]) -> None:
        super().__init__()
        self._operations = operations

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        self._operations.add(operation(func))
        return super().__torch_dispatch__(func, types, args, kwargs)


def operation(overload: Any) -> str:
    """Return the name of an aten operation, without its overload."""
    return str(overload._schema.name).removeprefix("aten::")


def _asks_for_cuda(func: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> bool:
    """Return whether a call makes a tensor on ``cuda`` or copies one there."""
    device = kwargs.get("device")
    if func is Tensor.cuda:
        return True
    if func is Tensor.to:
        device = next((a for a in args[1:] if isinstance(a, str | torch.device | Tensor)), device)
    if isinstance(device, Tensor):
        return device.is_cuda
    return device is not None and torch.device(device).type == "cuda"
