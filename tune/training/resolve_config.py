"""From the settings that a user gives to a complete TrialConfig.

A module of its own since ``micro_batch_size: auto`` depends on the network, and networks are built
from configurations: ``config`` is below ``components``, this is above both.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from pydantic import ValidationError

from genretune.models.build import resolve_augment, resolve_feature, resolve_model
from genretune.models.errors import ModelError
from genretune.models.plugins import merge
from genretune.tune.error_messages import problems
from genretune.tune.errors import TuneError
from genretune.tune.reproducibility.environment import available_device
from genretune.tune.training.components import with_automatic_micro_batch
from genretune.tune.training.config import Component, TrialConfig
from genretune.tune.training.losses import resolve_loss
from genretune.tune.training.lr_schedule import LrSchedule
from genretune.tune.training.lr_schedulers import resolve_lr_scheduler
from genretune.tune.training.optimizers import build_optimizer, resolve_optimizer

DEFAULTS: dict[str, Any] = {
    "feature": {"name": "powerspec"},
    "augment": {},
    "model": {"name": "cnn"},
    "loss": {"name": "CrossEntropyLoss"},
    "optimizer": {"name": "Adam"},
    "lr_scheduler": {"name": None},
}


def trial_config(
    given: Mapping[str, Any], *, plugins: Mapping[str, Any] | None = None
) -> TrialConfig:
    """Check a trial's settings, all at once, and write out every default.

    Args:
        given: keys as in ``config.json``; those with defaults may be left out, and ``device`` and
            ``micro_batch_size`` may be ``auto``.
        plugins: loaded plug-ins by file name.

    Raises:
        TuneError: one line for each thing that is wrong.
    """
    settings = DEFAULTS | dict(given)
    settings.setdefault("plugins", {name: item.sha256 for name, item in (plugins or {}).items()})
    if settings.get("device", "auto") == "auto":
        settings["device"] = available_device()
    if automatic := settings.get("micro_batch_size") == "auto":
        settings["micro_batch_size"] = None
    wrong: list[str] = []
    extra_models, extra_features = merge((plugins or {}).values())
    epochs = settings.get("epochs", TrialConfig.model_fields["epochs"].default)
    resolvers: dict[str, Callable[[Any], Component]] = {
        "feature": lambda part: resolve_feature(part, extra=extra_features),
        "augment": resolve_augment,
        "model": lambda part: resolve_model(part, extra=extra_models),
        "loss": resolve_loss,
        "optimizer": resolve_optimizer,
        "lr_scheduler": lambda part: resolve_lr_scheduler(
            part, epochs=epochs if isinstance(epochs, int) else 1
        ),
    }
    for key, resolver in resolvers.items():
        part = settings[key]
        if not isinstance(part, Mapping):
            wrong.append(f"{key}: must be a mapping with a name, got {part!r}")
            settings[key] = {}
            continue
        try:
            if "name" in DEFAULTS[key]:
                part = {"name": DEFAULTS[key]["name"], **part}
            settings[key] = resolver(part)
        except (ModelError, TuneError) as error:
            wrong.append(str(error))
            settings[key] = {}
    config = None
    try:
        config = TrialConfig.model_validate(settings)
    except ValidationError as error:
        wrong += problems(error, TrialConfig)
    if wrong or config is None:
        raise TuneError("\n".join(wrong))
    _check_together(config)
    return with_automatic_micro_batch(config, plugins) if automatic else config


def _check_together(config: TrialConfig) -> None:
    """Rules that join several keys."""
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = build_optimizer(config.optimizer, [parameter])
    LrSchedule(config.lr_scheduler, optimizer, steps_per_epoch=1, epochs=config.epochs)
    if config.precision == "tf32" and config.device == "cpu":
        raise TuneError("precision: tf32 needs device cuda, got cpu (use fp32 or bf16)")
    if config.determinism == "portable":
        if config.device != "cpu" or config.threads != 1 or config.precision != "fp32":
            raise TuneError(
                "determinism: portable needs device cpu, threads 1 and precision fp32, got "
                f"{config.device}, {config.threads}, {config.precision} (use strict)"
            )
        if config.optimizer["name"] not in ("Adam", "AdamW", "SGD"):
            raise TuneError(
                "determinism: portable keeps its promise for Adam, AdamW and SGD only, got "
                f"{config.optimizer['name']} (its step goes through torch.sqrt; use strict)"
            )
