"""Tables of models, features and augmentations, and functions that build them by name.

A configuration is ``{"name": ..., argument: value, ...}``. ``resolve_*`` validates it and fills in
all defaults; ``build_*`` passes it on as keyword arguments. Modules never see a configuration.

The names of submodules must not change: initial weights and dropout masks are seeded by them, and
checkpoints use them as keys.

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
AUGMENTATIONS: Final[dict[str, Callable[..., nn.Module]]] = {  # in order of application
    "gain": RandomGain,
    "noise": WhiteNoise,
    "mixup": Mixup,
    "specaugment": SpecAugment,
}

MODEL_CONTEXT: Final = ("classes", "input_shape")
FEATURE_CONTEXT: Final = ("sample_rate",)


@runtime_checkable
class HasShape(Protocol):
    """A feature that computes its output shape without being run."""

    def shape(self, *, channels: int, samples: int) -> Shape: ...


def resolve_model(config: Mapping[str, object], extra: Table | None = None) -> dict[str, object]:
    """Validate a model's configuration and fill in its defaults.

    Args:
        config: name and arguments.
        extra: models of plug-ins, by name.


    Raises:
        ModelError: with one line per problem.
    """
    return resolve("model", {**MODELS, **(extra or {})}, config, context=MODEL_CONTEXT)


def resolve_feature(config: Mapping[str, object], extra: Table | None = None) -> dict[str, object]:
    """Validate a feature's configuration and fill in its defaults.

    Args:
        config: name and arguments.
        extra: features of plug-ins, by name.


    Raises:
        ModelError: with one line per problem.
    """
    return resolve("feature", {**FEATURES, **(extra or {})}, config, context=FEATURE_CONTEXT)


def resolve_augment(config: Mapping[str, object]) -> dict[str, dict[str, object]]:
    """Validate augmentations, NAME -> arguments, and fill in their defaults.

    A name with null instead of arguments disables the augmentation and is omitted from the result,
    which is in order of application regardless of the order in ``config``.

    Raises:
        ModelError: with one line per problem.
    """
    resolved: dict[str, dict[str, object]] = {}
    problems: list[str] = []
    for name, arguments in config.items():
        try:
            lookup("augment", AUGMENTATIONS, name)
            if isinstance(arguments, Mapping):
                checked = resolve(f"augment.{name}", AUGMENTATIONS, {**arguments, "name": name})
                resolved[name] = {key: checked[key] for key in checked if key != "name"}
            elif arguments is not None:
                raise ModelError(
                    f"augment.{name}: must be a mapping of arguments, or null, "
                    f"got {show(arguments)} (use {{}} for the defaults)"
                )
        except ModelError as error:
            problems += error.problems
    if problems:
        raise ModelError(problems)
    return {name: resolved[name] for name in AUGMENTATIONS if name in resolved}


def build_augment(config: Mapping[str, object]) -> dict[str, nn.Module]:
    """Build augmentations from NAME -> arguments, in order of application.

    Raises:
        ModelError: for invalid names or arguments.
    """
    return {
        name: _build_module(f"augment.{name}", AUGMENTATIONS, {**arguments, "name": name}, {})
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
        extra: models of plug-ins, by name.

    Raises:
        ModelError: for invalid arguments, or an input shape that the model does not accept.
    """
    context = {"classes": classes, "input_shape": input_shape}
    return _build_module("model", {**MODELS, **(extra or {})}, config, context)


def build_feature(
    config: Mapping[str, object], *, sample_rate: int, extra: Table | None = None
) -> nn.Module:
    """Build a feature that maps waveforms [B, C, S] to images [B, C, F, T].

    Args:
        config: name and arguments; defaults are filled in.
        sample_rate: in Hz.
        extra: features of plug-ins, by name.

    Raises:
        ModelError: for invalid arguments.
    """
    table = {**FEATURES, **(extra or {})}
    return _build_module("feature", table, config, {"sample_rate": sample_rate})


def feature_shape(feature: nn.Module, *, channels: int, samples: int) -> Shape:
    """Return (C, F, T) of a feature's image of a waveform [channels, samples].

    A feature without a ``shape`` method is run once on silence.

    Raises:
        ModelError: for waveforms that the feature does not accept, or an output without four axes.
    """
    if isinstance(feature, HasShape):
        return feature.shape(channels=channels, samples=samples)
    with torch.no_grad():
        image = feature(torch.zeros(1, channels, samples))
    if image.dim() != 4:
        raise ModelError(
            "feature: must return images [batch, channels, bins, frames], "
            f"got the shape {list(image.shape)} (return four axes)"
        )
    return int(image.shape[1]), int(image.shape[2]), int(image.shape[3])


def _build_module(
    kind: str, table: Table, config: Mapping[str, object], context: Mapping[str, object]
) -> nn.Module:
    module = construct(kind, table, config, context)
    if not isinstance(module, nn.Module):
        raise ModelError(
            f"{kind}.name: {config['name']} must build a torch.nn.Module, "
            f"got {type(module).__name__} (fix the plug-in)"
        )
    return module
