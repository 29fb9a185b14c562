"""The tables of models, features and augmentations, and how one is built from configuration.

A configuration is ``{"name": ..., argument: value, ...}``; ``resolve_*`` checks it and writes all
defaults out, ``build_*`` turns it into keyword arguments. Modules never see a configuration.

Shapes: B batch, C channels, S samples, F frequency bins, T time frames, N classes.
"""

from collections.abc import Callable, Mapping
from typing import Final, Protocol, runtime_checkable

import torch
from torch import nn

from genretune.models.arguments import construct, lookup, resolve
from genretune.models.augment import Mixup, RandomGain, SpecAugment, WhiteNoise
from genretune.models.cnn import CNN
from genretune.models.errors import ModelError
from genretune.models.features import imfcc, lfcc, logspec, melspec, mfcc, powerspec, rawspec
from genretune.models.layers import Shape
from genretune.models.lcnn import LIGHT_CNNS
from genretune.models.resnet import RESNETS
from genretune.models.schema_text import show

Table = Mapping[str, Callable[..., nn.Module]]

MODELS: Final[dict[str, Callable[..., nn.Module]]] = {
    "cnn": CNN,
    **RESNETS,
    **LIGHT_CNNS,
}
FEATURES: Final[dict[str, Callable[..., nn.Module]]] = {
    "rawspec": rawspec,
    "powerspec": powerspec,
    "logspec": logspec,
    "melspec": melspec,
    "mfcc": mfcc,
    "lfcc": lfcc,
    "imfcc": imfcc,
}
AUGMENTATIONS: Final[dict[str, Callable[..., nn.Module]]] = {  # in the order of application
    "mixup": Mixup,
    "gain": RandomGain,
    "noise": WhiteNoise,
    "specaugment": SpecAugment,
}

MODEL_CONTEXT: Final = ("classes", "input_shape")
FEATURE_CONTEXT: Final = ("sample_rate",)


@runtime_checkable
class HasShape(Protocol):
    """A feature that can tell its shape without being run."""

    def shape(self, *, channels: int, samples: int) -> Shape: ...


def resolve_model(given: Mapping[str, object], extra: Table | None = None) -> dict[str, object]:
    """Check a model's configuration and write its defaults out; ``extra`` holds plug-ins.

    Raises:
        ModelError: with one line for each problem.
    """
    return resolve("model", {**MODELS, **(extra or {})}, given, context=MODEL_CONTEXT)


def resolve_feature(given: Mapping[str, object], extra: Table | None = None) -> dict[str, object]:
    """Check a feature's configuration and write its defaults out; ``extra`` holds plug-ins.

    Raises:
        ModelError: with one line for each problem.
    """
    return resolve("feature", {**FEATURES, **(extra or {})}, given, context=FEATURE_CONTEXT)


def resolve_augment(given: Mapping[str, object]) -> dict[str, dict[str, object]]:
    """Check augmentations, NAME -> arguments, and write their defaults out.

    A name with null instead of arguments is not applied, and left out. The result is in the order
    of application, however the names were given.

    Raises:
        ModelError: with one line for each problem.
    """
    resolved: dict[str, dict[str, object]] = {}
    problems: list[str] = []
    for name, arguments in given.items():
        try:
            lookup("augment", AUGMENTATIONS, name)
            if isinstance(arguments, Mapping):
                checked = resolve(f"augment.{name}", AUGMENTATIONS, {**arguments, "name": name})
                resolved[name] = {key: checked[key] for key in checked if key != "name"}
            elif arguments is not None:
                raise ModelError(
                    f"augment.{name}: must be a mapping of arguments, or null, "
                    f"got {show(arguments)} (write {{}} for the defaults)"
                )
        except ModelError as error:
            problems += error.problems
    if problems:
        raise ModelError(problems)
    return {name: resolved[name] for name in AUGMENTATIONS if name in resolved}


def build_augment(config: Mapping[str, object]) -> dict[str, nn.Module]:
    """Build augmentations from NAME -> arguments, in the order of application.

    Raises:
        ModelError: for bad names or arguments.
    """
    return {
        name: _module(f"augment.{name}", AUGMENTATIONS, {**arguments, "name": name}, {})
        for name, arguments in resolve_augment(config).items()
    }


def build_model(
    config: Mapping[str, object],
    *,
    classes: int,
    input_shape: Shape,
    extra: Table | None = None,
) -> nn.Module:
    """Build a model that maps images [B, C, F, T] to logits [B, N].

    Args:
        config: name and arguments; defaults are filled in.
        classes: N.
        input_shape: (C, F, T) of one item.
        extra: plug-ins, by name.

    Raises:
        ModelError: for bad arguments, or an input that does not suit the model.
    """
    context = {"classes": classes, "input_shape": input_shape}
    return _module("model", {**MODELS, **(extra or {})}, config, context)


def build_feature(
    config: Mapping[str, object], *, sample_rate: int, extra: Table | None = None
) -> nn.Module:
    """Build a feature that maps waveforms [B, C, S] to images [B, C, F, T].

    Args:
        config: name and arguments; defaults are filled in.
        sample_rate: samples a second.
        extra: plug-ins, by name.

    Raises:
        ModelError: for bad arguments.
    """
    table = {**FEATURES, **(extra or {})}
    return _module("feature", table, config, {"sample_rate": sample_rate})


def feature_shape(feature: nn.Module, *, channels: int, samples: int) -> Shape:
    """Return the (C, F, T) that a feature gives for waveforms of [channels, samples].

    A feature without a ``shape`` method of its own is run once, on silence.

    Raises:
        ModelError: for waveforms that the feature cannot take.
    """
    if isinstance(feature, HasShape):
        return feature.shape(channels=channels, samples=samples)
    with torch.no_grad():
        image = feature(torch.zeros(1, channels, samples))
    if image.dim() != 4:
        raise ModelError(
            "feature: must give images [batch, channels, bins, frames], "
            f"got the shape {list(image.shape)} (return four axes)"
        )
    return int(image.shape[1]), int(image.shape[2]), int(image.shape[3])


def _module(
    kind: str, table: Table, config: Mapping[str, object], context: Mapping[str, object]
) -> nn.Module:
    module = construct(kind, table, config, context)
    if not isinstance(module, nn.Module):
        raise ModelError(
            f"{kind}.name: {config['name']} must build a torch.nn.Module, "
            f"got {type(module).__name__} (mend the plug-in)"
        )
    return module
