"""Squeeze-and-excitation (SE): channels weighted by a function of their means over the image.

Hu, Shen, Albanie, Sun, Wu: Squeeze-and-Excitation Networks, https://arxiv.org/abs/1709.01507

Shapes: B batch, C channels, F frequency, T time, R = C // reduction.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genretune.models.errors import ModelError
from genretune.models.pooling import image_mean


class SqueezeExcite(nn.Module):
    """SE block: scales channels by sigmoid(W2 relu(W1 mean(x))), W1: C -> C/r, W2: C/r -> C.

    Neither layer has a bias.

    Args:
        channels: C.
        reduction: r, from 1 to C; C // r hidden units.
        where: name of the enclosing layer, for messages.

    Raises:
        ModelError: if the reduction is not between 1 and C.
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
    """Build the SE block of a layer; None if ``reduction`` is None."""
    return None if reduction is None else SqueezeExcite(channels, reduction, where=where)
