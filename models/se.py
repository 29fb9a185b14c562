"""Squeeze-and-excitation: channels weighed by what the whole image says.

Hu, Shen, Albanie, Sun, Wu: Squeeze-and-Excitation Networks, https://arxiv.org/abs/1709.01507

Shapes: B batch, C channels, F frequency, T time, R = C // reduction.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genretune.models.errors import ModelError
from genretune.models.pooling import image_mean


class SqueezeExcite(nn.Module):
    """Scale each channel by sigmoid(W2 relu(W1 mean(x))), with W1: C -> C/r and W2: C/r -> C.

    Neither layer has a bias.

    Args:
        channels: C.
        reduction: r, from 1 to C; C // r hidden units.
        where: the layer's name for messages.

    Raises:
        ModelError: if the reduction leaves no hidden unit.
    """

    def __init__(self, channels: int, reduction: int, *, where: str) -> None:
        super().__init__()
        if not 1 <= reduction <= channels:
            raise ModelError(
                f"model.reduction: must be from 1 to the channels of its layer ({where} has "
                f"{channels}), got {reduction} (choose at most {channels}, or null there)"
            )
        self.squeeze = nn.Linear(channels, channels // reduction, bias=False)
        self.excite = nn.Linear(channels // reduction, channels, bias=False)

    def forward(self, x_BCFT: Tensor) -> Tensor:
        """Map [B, C, F, T] to the same shape."""
        mean_BC = image_mean(x_BCFT)
        scale_BC = torch.sigmoid(self.excite(F.relu(self.squeeze(mean_BC))))
        return x_BCFT * scale_BC[:, :, None, None]


def se_or_none(channels: int, reduction: int | None, *, where: str) -> SqueezeExcite | None:
    """Build the SE block of a layer, or none where ``reduction`` is None."""
    return None if reduction is None else SqueezeExcite(channels, reduction, where=where)
