"""A plug-in model that fails in training: by a wrong index, on the device, or by a Python error."""

import torch
from torch import Tensor, nn


class Broken(nn.Module):
    """Fails in every training step.

    Args:
        kind: ``index`` reads beyond a tensor on the device; all else raises.
    """

    def __init__(
        self, *, classes: int, input_shape: tuple[int, int, int], kind: str = "raise"
    ) -> None:
        super().__init__()
        self.kind = kind
        self.layer = nn.Linear(input_shape[0] * input_shape[1], classes)

    def forward(self, x_BCFT: Tensor) -> Tensor:
        logits: Tensor = self.layer(x_BCFT.mean(dim=3).flatten(1))
        if not self.training:
            return logits
        if self.kind != "index":
            raise RuntimeError("the model is broken")
        beyond = torch.full((1,), len(logits) + 1_000_000, device=logits.device)
        return logits + logits[beyond]


MODELS = {"broken": Broken}
