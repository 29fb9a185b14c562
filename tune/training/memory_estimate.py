"""An estimate of the memory that a trial will take, without training it.

The bytes of tensors are those of a real step: on a CPU both were equal to a megabyte. What a
process takes besides was fitted on nine trials on a CPU and tried on five others: the estimate was
.99 to 1.25 times the peak (BENCHMARKS.md). A GPU was never measured.
"""

import weakref
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from genretune.data.windows import window_length
from genretune.models.build import feature_shape
from genretune.models.dropout import SeededDropout
from genretune.tune.training.components import Plugins, build_network
from genretune.tune.training.config import TrialConfig
from genretune.tune.training.forward import forward
from genretune.tune.training.optimizers import build_optimizer

_PROCESS = 1_000_000_000
"""Bytes that a worker takes before it trains: Python, torch and Ray; 0.4 GB of them are shared."""
_HEAP = 1.7
"""Resident bytes of a CPU's heap for each byte of tensors: fragments, and scratch of oneDNN."""
_CHECKPOINT_COPIES = 2
"""Of weights and optimizer state on a CPU while a checkpoint is written: the snapshot, its file."""


def largest_memory(
    configs: Iterable[TrialConfig], *, classes: int, plugins: Plugins | None = None
) -> int | None:
    """Return the largest ``estimate_peak_memory`` of several trials; None if none is known."""
    estimates = [estimate_peak_memory(one, classes=classes, plugins=plugins) for one in configs]
    return max((one for one in estimates if one is not None), default=None)


def estimate_peak_memory(
    config: TrialConfig, *, classes: int, plugins: Plugins | None = None
) -> int | None:
    """Return the peak memory of a trial: of its process on a CPU, of its GPU on a GPU.

    One step of training and one of evaluation run on torch's ``meta`` device, which allocates
    nothing, and the storages that are alive are counted: weights, gradients, activations, images.
    The state of the optimizer is added, on a CPU also what a checkpoint copies and what a process
    takes. On a GPU the CUDA context, cuDNN's workspaces and gaps in torch's cache come on top.
    Trials in bf16 are counted as in fp32.

    Args:
        classes: of the corpus.

    Returns:
        Bytes, as ``process_bytes`` or ``device_bytes`` of ``gpu_memory.peak_memory`` measure them;
        None for a plug-in that reads values of tensors, which the meta device has not.

    Raises:
        ModelError: the model cannot take the input.
    """
    # autocast does not act on meta tensors, and warns on a machine without a GPU
    config = config.model_copy(update={"precision": "fp32"})
    samples = window_length(config.data.window, config.data.sample_rate)
    feature, model = build_network(
        config, classes=classes, samples=samples, plugins=plugins, model_device="meta"
    )
    _replace_dropout(model)
    if config.memory_format == "channels_last":
        model = model.to(memory_format=torch.channels_last)
    images = _window_bytes(feature, samples) * (2 if "mixup" in config.augment else 1)
    shape = feature_shape(feature, channels=1, samples=samples)
    try:
        training = _training_bytes(model, config, shape, images)
        evaluation = _evaluation_bytes(model, config, shape, images)
    except Exception:  # a plug-in may raise anything where tensors have no values
        return None
    weights = int(sum(tensor.nbytes for tensor in model.state_dict().values()))
    state = round(weights * _state_per_weight(config))
    # the gradients of the last step are still there while it evaluates
    peak = max(training, evaluation + weights)
    if config.device == "cuda":
        return state + peak
    checkpoint = 2 * weights + _CHECKPOINT_COPIES * (weights + state)
    return _PROCESS + round(_HEAP * (state + max(peak, checkpoint)))


def _training_bytes(
    model: nn.Module, config: TrialConfig, shape: tuple[int, int, int], images: int
) -> int:
    """Return the peak of forward and backward passes, with weights and gradients.

    Args:
        images: bytes of one window while its image [C, F, T] is computed.
    """
    model.train()
    size = min(config.micro_batch_size or config.batch_size, config.batch_size)
    live = _LiveStorages(model)
    with live:
        # the second micro-batch adds to the gradients of the first
        for _ in range(2 if size < config.batch_size else 1):
            live.add_for_a_moment(size * images)
            forward(model, torch.empty(size, *shape, device="meta"), config).sum().backward()
    return live.peak


@torch.no_grad()
def _evaluation_bytes(
    model: nn.Module, config: TrialConfig, shape: tuple[int, int, int], images: int
) -> int:
    """Return the peak of a forward pass in evaluation, with weights."""
    model.eval()
    live = _LiveStorages(model)
    with live:
        live.add_for_a_moment(config.eval_batch_size * images)
        forward(model, torch.empty(config.eval_batch_size, *shape, device="meta"), config)
    return live.peak


@torch.no_grad()
def _window_bytes(feature: nn.Module, samples: int) -> int:
    """Return the peak of computing one image, with its waveform; on the CPU, as it is small."""
    live = _LiveStorages(feature)
    fixed = live.peak  # filter banks
    with live:
        feature(torch.zeros(1, 1, samples))
    return live.peak - fixed


def _state_per_weight(config: TrialConfig) -> float:
    """Return the size of the optimizer's state in sizes of the weights, but for its counters."""
    weight = nn.Parameter(torch.zeros(64, 64))
    weight.grad = torch.zeros_like(weight)
    optimizer = build_optimizer(config.optimizer, [weight])
    optimizer.step()
    state = optimizer.state[weight].values()
    size = sum(one.nbytes for one in state if isinstance(one, Tensor) and one.numel() > 1)
    return float(size / weight.nbytes)


class _AnyMask(nn.Module):
    """Dropout with a mask of any values: drawing one takes memory and time, on the CPU."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.empty_like(x) if self.training else x


def _replace_dropout(model: nn.Module) -> None:
    for module in model.modules():
        for name, child in module.named_children():
            if isinstance(child, SeededDropout) and child.rate > 0:
                setattr(module, name, _AnyMask())


class _LiveStorages(TorchDispatchMode):
    """Counts the bytes of all storages that are alive, each once, whatever views share it.

    Attributes:
        peak: the largest number of bytes so far.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak = 0
        self._alive = 0
        self._sizes: dict[weakref.ref[torch.UntypedStorage], int] = {}
        for tensor in (*module.parameters(), *module.buffers()):
            self._add(tensor)

    def add_for_a_moment(self, size: int) -> None:
        """Count ``size`` bytes that are freed again at once."""
        self.peak = max(self.peak, self._alive + size)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for value in tree_iter(result):
            if isinstance(value, Tensor):
                self._add(value)
        return result

    def _add(self, tensor: Tensor) -> None:
        reference = weakref.ref(tensor.untyped_storage(), self._remove)
        if reference not in self._sizes:
            self._sizes[reference] = tensor.untyped_storage().nbytes()
            self._alive += self._sizes[reference]
            self.peak = max(self.peak, self._alive)

    def _remove(self, reference: "weakref.ref[torch.UntypedStorage]") -> None:
        self._alive -= self._sizes.pop(reference)
