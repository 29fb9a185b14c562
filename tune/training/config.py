"""TrialConfig: everything that changes a trial's result, and nothing else.

Where data and results lie, how many trials run at once and what they were granted are run options;
they never enter ``config.json`` or its signature.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

import torch
from annotated_types import Ge, Gt
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from genretune.data.specs import SplitSpec, WindowSpec
from genretune.data.windows import window_length
from genretune.models.build import resolve_augment, resolve_feature, resolve_model
from genretune.models.errors import ModelError
from genretune.models.plugins import merge
from genretune.tune.error_messages import hint, problems
from genretune.tune.errors import TuneError
from genretune.tune.metric_names import METRICS
from genretune.tune.reproducibility.determinism_env import Level
from genretune.tune.training.losses import resolve_loss
from genretune.tune.training.lr_schedule import LrSchedule
from genretune.tune.training.lr_schedulers import resolve_lr_scheduler
from genretune.tune.training.optimizers import build_optimizer, resolve_optimizer

CPU_MICRO_BATCH = 8
"""Windows whose activations fit a core's caches; 4 to 16 are about as fast."""

Component = dict[str, Any]
Count = Annotated[int, Ge(1)]
Device = Literal["cpu", "cuda"]
Precision = Literal["fp32", "tf32", "bf16"]


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DataConfig(Frozen):
    """Which samples, and which of their windows train and validate."""

    samples: str
    """SHA-256 of the corpus as decoded and resampled: the store's ``samples_digest``."""
    sample_rate: Annotated[int, Ge(1)] = 22050
    exclude: tuple[str, ...] = ()
    """Canonical names of the clips left out, sorted."""
    split: SplitSpec = SplitSpec()
    window: WindowSpec = WindowSpec()


class Best(Frozen):
    """Which epoch is the trial's best; independent of early stopping."""

    metric: str = "val_clip_accuracy"

    @field_validator("metric")
    @classmethod
    def _known(cls, value: str) -> str:
        return known_metric(value)


class EarlyStopping(Best):
    """End the trial after ``patience`` epochs that do not improve ``metric`` by ``min_delta``."""

    metric: str = "val_loss"
    patience: Count = 10
    min_delta: Annotated[float, Ge(0.0)] = 0.0


class TrialConfig(Frozen):
    """One trial, complete. Components are resolved: every default is written out."""

    version: Literal[1] = 1
    seed: int
    epochs: Count = 50
    batch_size: Count = 64
    micro_batch_size: Count | None = None
    """Windows that go through the network at once in training; null = the whole batch.

    ``auto``: CPU_MICRO_BATCH on a CPU, where the network has no batch normalisation, else null.
    """
    eval_batch_size: Count = 16
    threads: Count = 1
    device: Device = "cpu"
    memory_format: Literal["channels_last", "contiguous"] = "channels_last"
    precision: Precision = "fp32"
    determinism: Level = "strict"
    data: DataConfig
    feature: Component
    augment: dict[str, Component]
    model: Component
    loss: Component
    optimizer: Component
    lr_scheduler: Component
    clip_grad_norm: Annotated[float, Gt(0.0)] | None = None
    early_stopping: EarlyStopping | None = None
    best: Best = Best()
    plugins: dict[str, str] = {}
    """Name of each plug-in file and its SHA-256."""

    def canonical(self) -> str:
        """The configuration as JSON: keys sorted, floats round-trip, one line a key."""
        return json.dumps(self.model_dump(mode="json"), indent=2, sort_keys=True, allow_nan=False)

    def signature(self) -> str:
        """SHA-256 of the canonical JSON: equal signatures ask for equal bits."""
        return hashlib.sha256(self.canonical().encode()).hexdigest()


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
    if fitting := settings.get("micro_batch_size") == "auto":
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
    return _with_fitting_micro_batch(config, plugins) if fitting else config


def _with_fitting_micro_batch(
    config: TrialConfig, plugins: Mapping[str, Any] | None
) -> TrialConfig:
    """Micro-batches whose activations fit a CPU's caches, for networks that allow them."""
    # parts are built from configurations, so this module cannot import them at its top
    from genretune.tune.training.components import build_network, normalises_batches

    if config.device != "cpu" or config.batch_size <= CPU_MICRO_BATCH:
        return config
    samples = window_length(config.data.window, config.data.sample_rate)
    _, model = build_network(
        config, classes=2, samples=samples, plugins=plugins, model_device="meta"
    )
    if normalises_batches(model):
        return config
    return config.model_copy(update={"micro_batch_size": CPU_MICRO_BATCH})


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


def available_device() -> Device:
    """``cuda`` where torch sees one, else ``cpu``: what ``device: auto`` means here."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def known_metric(name: str) -> str:
    """``name``, if it is a metric that can be compared; ValueError with the choices else."""
    if name not in METRICS:
        raise ValueError(f"must be one of {', '.join(METRICS)}{hint(name, METRICS)}")
    return name
