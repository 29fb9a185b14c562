"""Detection of layers that draw from torch's global generators.

Every draw of a trial has a seed made of names, so that a resumed epoch and a replay draw the same.
A plug-in's ``nn.Dropout`` or ``torch.rand`` would draw from a state that depends on what ran before
in the process: bits would differ, and nothing would say so.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from genretune.models.errors import ModelError


@contextmanager
def watch_global_generators(parts: dict[str, nn.Module], device: torch.device) -> Iterator[None]:
    """Raise if a module of ``parts`` moves a global generator within the ``with`` block.

    Args:
        parts: modules by the key of the configuration that names them.

    Raises:
        ModelError: names the innermost layer that did.
    """
    before = _states(device)
    drawn: list[str] = []
    with ExitStack() as stack:
        for key, part in parts.items():
            for name, layer in part.named_modules():
                _Watch(f"{key}.{name}" if name else key, device, drawn).register(layer, stack)
        yield
    if drawn:
        # the first to notice is the innermost: its forward pass ends before that of what holds it
        raise ModelError(
            f"{drawn[0]}: must not draw from torch's global generator, which no replay can repeat "
            "(use genretune.models.dropout.SeededDropout, or draw nothing)"
        )
    if _differ(before, _states(device)):
        raise ModelError(
            "model: a step must not draw from torch's global generator, which no replay can repeat "
            "(its backward pass or the loss does)"
        )


class _Watch:
    def __init__(self, name: str, device: torch.device, drawn: list[str]) -> None:
        self._name, self._device, self._drawn = name, device, drawn
        self._before: list[list[Tensor]] = []

    def register(self, layer: nn.Module, stack: ExitStack) -> None:
        """Watch the forward passes of a layer until the stack is closed."""
        for handle in (
            layer.register_forward_pre_hook(self._enter),
            layer.register_forward_hook(self._leave),
        ):
            stack.callback(handle.remove)

    def _enter(self, layer: nn.Module, arguments: Any) -> None:
        self._before.append(_states(self._device))

    def _leave(self, layer: nn.Module, arguments: Any, output: Any) -> None:
        if _differ(self._before.pop(), _states(self._device)):
            self._drawn.append(self._name)


def _states(device: torch.device) -> list[Tensor]:
    states = [torch.get_rng_state()]
    if device.type == "cuda":
        states.append(torch.cuda.get_rng_state(device))
    return states


def _differ(before: list[Tensor], after: list[Tensor]) -> bool:
    return any(not torch.equal(one, other) for one, other in zip(before, after, strict=True))
