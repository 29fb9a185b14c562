"""Resolution of a user's settings to a complete ``TrialConfig``.

Separate from ``config`` since ``micro_batch_size: auto`` depends on the network, which is built
from a ``TrialConfig``: ``components`` imports ``config``, this module imports both.

``auto`` becomes a number by the device's type and the configuration alone. Sizes change bits, so
memory found on a machine must not decide them: another machine would compute another trial.
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
from genretune.tune.training.config import FIRST_RULES, RULES, Component, TrialConfig
from genretune.tune.training.losses import resolve_loss
from genretune.tune.training.lr_schedule import LrSchedule
from genretune.tune.training.lr_schedulers import PEAK, resolve_lr_scheduler
from genretune.tune.training.optimizers import build_optimizer, resolve_optimizer

DEFAULTS: dict[str, Any] = {
    "feature": {"name": "powerspec"},
    "augment": {},
    "model": {"name": "cnn"},
    "loss": {"name": "CrossEntropyLoss"},
    "optimizer": {"name": "Adam"},
    "lr_scheduler": {"name": None},
}

GPU_EVAL_BATCHES = 2
"""Windows of an evaluation batch on a GPU for each window of a training pass.

A GPU needs large batches, but evaluation must not need more memory than training, or a trial that
fits would fail at the end of its first epoch. By the memory estimate of ten networks of all kinds,
twice the windows of a training pass take .22 to .84 of its memory, four times up to 1.66.
"""
GPU_EVAL_BATCH_LIMIT = 256
"""The largest automatic evaluation batch; a bound on memory where training batches are large."""


def trial_config(
    user_settings: Mapping[str, Any], *, plugins: Mapping[str, Any] | None = None
) -> TrialConfig:
    """Validate a trial's settings and write out every default.

    Args:
        user_settings: keys as in ``config.json``; those with defaults may be omitted, and
            ``device``, ``micro_batch_size`` and ``eval_batch_size`` may be ``auto``.
        plugins: loaded plug-ins by file name.

    Raises:
        TuneError: with one line for each problem, all of them at once.
    """
    settings = DEFAULTS | dict(user_settings)
    # a config.json names its version, so one without rules is of the time before they were named
    settings.setdefault("rules", FIRST_RULES if "version" in settings else RULES)
    settings.setdefault("plugins", {name: item.sha256 for name, item in (plugins or {}).items()})
    if settings.get("device", "auto") == "auto":
        settings["device"] = available_device()
    automatic = [
        key for key in ("micro_batch_size", "eval_batch_size") if settings.get(key) == "auto"
    ]
    for key in automatic:
        del settings[key]
    errors = _resolve_components(settings, plugins or {})
    if not errors and settings["rules"] != FIRST_RULES:
        errors += _move_peak(settings, user_settings.get("optimizer", {}))
    config = None
    try:
        config = TrialConfig.model_validate(settings)
    except ValidationError as error:
        errors += problems(error, TrialConfig)
    if errors or config is None:
        raise TuneError("\n".join(errors))
    _check_combinations(config)
    if "micro_batch_size" in automatic:
        config = with_automatic_micro_batch(config, plugins)
    return _with_automatic_eval_batch(config) if "eval_batch_size" in automatic else config


def _resolve_components(settings: dict[str, Any], plugins: Mapping[str, Any]) -> list[str]:
    """Write out the defaults of every component in ``settings``; return one line per problem."""
    errors: list[str] = []
    extra_models, extra_features = merge(plugins.values())
    epochs = settings.get("epochs", TrialConfig.model_fields["epochs"].default)
    resolvers: dict[str, Callable[[Any], Component]] = {
        "feature": lambda value: resolve_feature(value, extra=extra_features),
        "augment": resolve_augment,
        "model": lambda value: resolve_model(value, extra=extra_models),
        "loss": resolve_loss,
        "optimizer": resolve_optimizer,
        "lr_scheduler": lambda value: resolve_lr_scheduler(value, epochs=epochs),
    }
    if (
        type(epochs) is not int or epochs < 1
    ):  # TrialConfig says so; its schedule cannot be resolved
        del resolvers["lr_scheduler"]
        settings["lr_scheduler"] = {}
    for key, resolver in resolvers.items():
        component = settings[key]
        if not isinstance(component, Mapping):
            errors.append(f"{key}: must be a mapping with a name, got {component!r}")
            settings[key] = {}
            continue
        try:
            if "name" in DEFAULTS[key]:
                component = {"name": DEFAULTS[key]["name"], **component}
            settings[key] = resolver(component)
        except (ModelError, TuneError) as error:
            errors.append(str(error))
            settings[key] = {}
    return errors


def _move_peak(settings: dict[str, Any], given_optimizer: Mapping[str, Any]) -> list[str]:
    """Make a given ``max_lr`` of the lr scheduler the optimizer's learning rate; return problems.

    OneCycleLR and CyclicLR override the optimizer's: beside ``max_lr`` it would change nothing.
    """
    schedule, peak = settings["lr_scheduler"], settings["lr_scheduler"].get(PEAK)
    if peak is None:
        return []
    if "lr" in given_optimizer:
        return [
            f"lr_scheduler.{PEAK}: must be null beside optimizer.lr, which it would override, got "
            f"{peak} (omit one of them; null means optimizer.lr)"
        ]
    settings["lr_scheduler"] = schedule | {PEAK: None}
    settings["optimizer"] = settings["optimizer"] | {"lr": peak}
    return []


def _with_automatic_eval_batch(config: TrialConfig) -> TrialConfig:
    """Resolve ``eval_batch_size: auto``: the default on a CPU, more on a GPU."""
    if config.device == "cpu":
        return config
    default = config.eval_batch_size
    size = GPU_EVAL_BATCHES * min(config.micro_batch_size or config.batch_size, config.batch_size)
    size = min(max(size, default), GPU_EVAL_BATCH_LIMIT)
    return config.model_copy(update={"eval_batch_size": size})


def _check_combinations(config: TrialConfig) -> None:
    """Check the rules that involve several keys.

    Builds the optimizer and its lr scheduler on one parameter: torch itself checks their arguments.
    """
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
                "determinism: portable supports Adam, AdamW and SGD only, got "
                f"{config.optimizer['name']} (its step uses torch.sqrt; use strict)"
            )
