"""Losses by torch's own names, one value a window, so that batches of any size are weighed rightly.

The loss of a set of windows is ``sum(values) / sum(weights)``: torch's own mean, in a form that
can be split over micro-batches and summed over an epoch.
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
    """A loss and its weighing.

    Attributes:
        values: (logits [B, C], target [B]) -> loss of each window, [B].
        class_weight: weight of each class in a mean, float32 [C]; None where all weigh 1.
    """

    values: Callable[[Tensor, Tensor], Tensor]
    class_weight: Tensor | None = None

    def weights(self, target: Tensor) -> Tensor:
        """Weight of each window in a mean, float32 [B]."""
        if self.class_weight is None:
            return torch.ones(len(target), device=target.device)
        return self.class_weight[target]


def cross_entropy(
    *,
    class_sizes: Tensor,
    label_smoothing: Annotated[float, Interval(ge=0.0, lt=1.0)] = 0.0,
    class_weights: ClassWeights = None,
) -> Loss:
    weight = _weight(class_weights, class_sizes)
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
    weight = _weight(class_weights, class_sizes)
    # torch divides this loss by the number of windows, whatever their classes weigh
    return Loss(partial(F.multi_margin_loss, p=p, margin=margin, weight=weight, reduction="none"))


LOSSES: dict[str, Callable[..., Loss]] = {
    "CrossEntropyLoss": cross_entropy,
    "MultiMarginLoss": multi_margin,
}


def resolve_loss(given: Mapping[str, object]) -> dict[str, object]:
    """``given`` with every default written out; ModelError names what is wrong."""
    return resolve("loss", LOSSES, given, context=("class_sizes",))


def build_loss(config: Mapping[str, object], *, class_sizes: Tensor) -> Loss:
    """The loss of a resolved configuration.

    Args:
        class_sizes: training windows of each class, int64 [C], on the trial's device.
    """
    arguments = {key: value for key, value in config.items() if key != "name"}
    return LOSSES[str(config["name"])](class_sizes=class_sizes, **arguments)


def _weight(given: ClassWeights, class_sizes: Tensor) -> Tensor | None:
    """Weights of the classes, float32 [C]; ``balanced``: windows / (classes * windows of class)."""
    if given is None:
        return None
    if given == "balanced":
        if bool((class_sizes == 0).any()):
            raise TuneError(
                "loss.class_weights: balanced needs a training window of every class, got none of "
                f"class {int((class_sizes == 0).nonzero()[0])} (use another fold or null)"
            )
        total = class_sizes.sum().to(torch.float32)
        return total / (len(class_sizes) * class_sizes.to(torch.float32))
    if len(given) != len(class_sizes):
        raise TuneError(
            f"loss.class_weights: needs one weight a class ({len(class_sizes)}), got {len(given)}"
        )
    return torch.tensor(given, dtype=torch.float32, device=class_sizes.device)
