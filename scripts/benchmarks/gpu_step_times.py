"""Where the time of a training step goes: by CUDA events on a GPU, by a clock on a CPU.

On a GPU a stage is the time between two marks in the queue of the GPU's work: while the CPU is
ahead of the GPU that is computing time alone, else it contains waiting for the CPU.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

import torch

from genretune.models import dropout
from genretune.tune.training import epoch as epochs
from genretune.tune.training.components import Components
from genretune.tune.training.forward import forward
from genretune.tune.training.waveforms import Waveforms

STAGES = ("gather", "feature", "masks", "network", "optimizer", "other")

Mark = float | torch.cuda.Event


@dataclass
class _Call:
    stage: str
    begin: Mark
    end: Mark | None = None
    inside: "_Call | None" = None


class StepTimes:
    """Times of the stages of steps; what a stage spends in another one counts there alone.

    Args:
        device: that of the trial.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._calls: list[_Call] = []
        self._open: _Call | None = None

    def timed(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return ``function`` with its calls noted."""

        def call(*args: Any, **kwargs: Any) -> Any:
            noted = _Call(stage, self._mark(), inside=self._open)
            self._calls.append(noted)
            self._open = noted
            try:
                return function(*args, **kwargs)
            finally:
                noted.end, self._open = self._mark(), noted.inside

        return call

    def milliseconds(self) -> dict[str, float]:
        """Return the time of each stage in a step, and of a whole ``step``."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        spent = dict.fromkeys(STAGES, 0.0)
        whole, steps = 0.0, 0
        for one in self._calls:
            assert one.end is not None
            elapsed = _elapsed(one.begin, one.end)
            spent[one.stage] += elapsed
            if one.inside is not None:
                spent[one.inside.stage] -= elapsed
            else:
                whole += elapsed
                steps += one.stage == "other"
        return {name: value / max(steps, 1) for name, value in {**spent, "step": whole}.items()}

    @contextmanager
    def noting(self, components: Components) -> Iterator[None]:
        """Note the stages of a trial for a ``with`` block."""
        feature, optimizer = components.feature, components.optimizer
        with (
            mock.patch.object(Waveforms, "read", self.timed("gather", Waveforms.read)),
            mock.patch.object(feature, "forward", self.timed("feature", feature.forward)),
            mock.patch.object(dropout, "_mask", self.timed("masks", dropout._mask)),
            mock.patch.object(epochs, "forward", self.timed("network", forward)),
            mock.patch.object(torch.Tensor, "backward", self.timed("network", _backward)),
            mock.patch.object(optimizer, "step", self.timed("optimizer", optimizer.step)),
            mock.patch.object(epochs, "_step", self.timed("other", epochs._step)),
        ):
            yield

    def _mark(self) -> Mark:
        if self._device.type != "cuda":
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event


def _elapsed(begin: Mark, end: Mark) -> float:
    """Return the milliseconds between two marks."""
    if isinstance(begin, float) or isinstance(end, float):
        assert isinstance(begin, float) and isinstance(end, float)
        return 1000.0 * (end - begin)
    return float(begin.elapsed_time(end))


_backward = torch.Tensor.backward
