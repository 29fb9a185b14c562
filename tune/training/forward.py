"""A network's pass at the precision and in the memory format of its trial."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from genretune.tune.training.config import TrialConfig


def forward(model: nn.Module, x_BCFT: Tensor, config: TrialConfig) -> Tensor:
    """Logits [B, C], float32, of images [B, C, F, T]."""
    if config.memory_format == "channels_last":
        x_BCFT = x_BCFT.contiguous(memory_format=torch.channels_last)
    with _autocast(config):
        logits: Tensor = model(x_BCFT)
    return logits.float()


def _autocast(config: TrialConfig) -> AbstractContextManager[Any]:
    if config.precision == "bf16":
        return torch.autocast(config.device, dtype=torch.bfloat16)
    return nullcontext()
