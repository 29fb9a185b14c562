"""Losses by their torch names, computed per window.

The loss of a set of windows is ``sum(values) / sum(weights)``: the same mean as torch's, in a form
that can be split over micro-batches and summed over an epoch, so that batches of different sizes
are weighted correctly.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from annotated_types import Gt, Interval
from torch import Tensor

from genretune.models.arguments import resolve
from genretune.tune.errors import TuneError

ClassWeights = Literal["balanced"] | list[Annotated[float, Gt(0.0)]] | None


@dataclass(frozen=True)
class Loss:
    """A loss with its class weights.

    Attributes:
        values: (logits [B, C], target [B]) -> weighted loss of each window, [B].
        class_weight: weight of each class in a mean, float32 [C]; None if all are 1.
    """

    values: Callable[[Tensor, Tensor], Tensor]
    class_weight: Tensor | None = None

    def weights(self, target: Tensor) -> Tensor:
        """Return the weight of each window in a mean, float32 [B]."""
        if self.class_weight is None:
            return torch.ones(len(target), device=target.device)
        return self.class_weight[target]


def cross_entropy(
    *,
    class_sizes: Tensor,
    label_smoothing: Annotated[float, Interval(ge=0.0, lt=1.0)] = 0.0,
    class_weights: ClassWeights = None,
) -> Loss:
    """Return cross-entropy; class weights also weight the mean, as in torch."""
    weight = _class_weight(class_weights, class_sizes)
    values = partial(
        F.cross_entropy, weight=weight, reduction="none", label_smoothing=label_smoothing
    )
    return Loss(values, class_weight=weight)


def multi_margin(
    *,
    class_sizes: Tensor,
    p: Literal[1, 2] = 1,
    margin: float = 1.0,
    class_weights: ClassWeights = None,
) -> Loss:
    """Return the multi-class margin (hinge) loss."""
    weight = _class_weight(class_weights, class_sizes)
    # torch divides this loss by the number of windows, not by the sum of their class weights
    return Loss(partial(F.multi_margin_loss, p=p, margin=margin, weight=weight, reduction="none"))


LOSSES: dict[str, Callable[..., Loss]] = {
    "CrossEntropyLoss": cross_entropy,
    "MultiMarginLoss": multi_margin,
}


def resolve_loss(settings: Mapping[str, object]) -> dict[str, object]:
    """Return ``settings`` with every default written out.

    Raises:
        ModelError: with one line for each invalid argument.
    """
    return resolve("loss", LOSSES, settings, context=("class_sizes",))


def build_loss(config: Mapping[str, object], *, class_sizes: Tensor) -> Loss:
    """Build the loss of a resolved configuration.

    Args:
        class_sizes: number of training windows of each class, int64 [C], on the trial's device.

    Raises:
        TuneError: the class weights do not match the classes.
    """
    arguments = {key: value for key, value in config.items() if key != "name"}
    return LOSSES[str(config["name"])](class_sizes=class_sizes, **arguments)


def _class_weight(setting: ClassWeights, class_sizes: Tensor) -> Tensor | None:
    """Return the weight of each class, float32 [C].

    ``balanced`` is ``windows / (classes * windows of the class)``, as in scikit-learn.
    """
    if setting is None:
        return None
    if setting == "balanced":
        if bool((class_sizes == 0).any()):
            raise TuneError(
                "loss.class_weights: balanced needs training windows of every class, got none of "
                f"class {int((class_sizes == 0).nonzero()[0])} (use another fold or null)"
            )
        total = class_sizes.sum().to(torch.float32)
        return total / (len(class_sizes) * class_sizes.to(torch.float32))
    if len(setting) != len(class_sizes):
        raise TuneError(
            f"loss.class_weights: must have one weight per class ({len(class_sizes)}), got "
            f"{len(setting)}"
        )
    return torch.tensor(setting, dtype=torch.float32, device=class_sizes.device)
