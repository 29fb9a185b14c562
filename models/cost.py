"""Parameter counts and FLOPs of models and features, without running them where possible.

FLOPs are those of one forward pass over one window, counted as in ``torch.utils.flop_counter``:
a multiplication and an addition count as two, and only convolutions and matrix products count,
which are nearly all of the work.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from genretune.models.build import Table, build_feature, build_model, feature_shape
from genretune.models.features import Feature
from genretune.models.layers import Shape
from genretune.models.spectrum import Matrix


@dataclass(frozen=True)
class Cost:
    """Parameter count, FLOPs and output shape of one component.

    Attributes:
        parameters: number of trainable values.
        flops: floating-point operations per window.
        output_shape: shape of one item, without the batch axis.
    """

    parameters: int
    flops: int
    output_shape: tuple[int, ...]


def model_cost(
    config: Mapping[str, object],
    *,
    classes: int,
    input_shape: Shape,
    extra: Table | None = None,
) -> Cost:
    """Return the cost of a model, counted on the meta device, where tensors have no values.

    Raises:
        ModelError: as ``build_model``.
    """
    with torch.device("meta"), torch.no_grad():
        model = build_model(config, classes=classes, input_shape=input_shape, extra=extra).eval()
        with FlopCounterMode(display=False) as counter:
            logits = model(torch.empty(1, *input_shape))
    return Cost(_parameters(model), counter.get_total_flops(), tuple(logits.shape[1:]))


def feature_cost(
    config: Mapping[str, object],
    *,
    sample_rate: int,
    samples: int,
    extra: Table | None = None,
) -> Cost:
    """Return the cost of a feature, from the sizes of its transform and matrices.

    A feature from a plug-in is run once on silence.

    Raises:
        ModelError: as ``build_feature``, or for windows too short for the feature.
    """
    feature = build_feature(config, sample_rate=sample_rate, extra=extra)
    shape = feature_shape(feature, channels=1, samples=samples)
    if isinstance(feature, Feature):
        return Cost(_parameters(feature), _feature_flops(feature, shape[2]), shape)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        feature(torch.zeros(1, 1, samples))
    return Cost(_parameters(feature), counter.get_total_flops(), shape)


def _feature_flops(feature: Feature, frames: int) -> int:
    n_fft = feature.spectrum.n_fft
    transform = int(2.5 * n_fft * math.log2(n_fft))  # usual estimate for an FFT of real input
    matrices = sum(2 * m.matrix.numel() for m in feature.stages if isinstance(m, Matrix))
    return frames * (transform + matrices)


def _parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())
