"""The forward pass of a network in its trial's precision and memory format."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from genretune.tune.training.config import TrialConfig


def forward(model: nn.Module, x_BCFT: Tensor, config: TrialConfig) -> Tensor:
    """Return the logits [B, classes], float32, of images [B, C, F, T]."""
    if config.memory_format == "channels_last":
        x_BCFT = x_BCFT.contiguous(memory_format=torch.channels_last)
    with _autocast(config):
        logits: Tensor = model(x_BCFT)
    return logits.float()  # the loss is computed in float32 under bf16, too


def _autocast(config: TrialConfig) -> AbstractContextManager[Any]:
    if config.precision == "bf16":
        return torch.autocast(config.device, dtype=torch.bfloat16)
    return nullcontext()
