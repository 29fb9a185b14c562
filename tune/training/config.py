"""TrialConfig: everything that changes a trial's result, and nothing else.

Where data and results lie, how many trials run at once and what they were granted are run options;
they never enter ``config.json`` or its signature.
"""

import hashlib
import json
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt
from pydantic import BaseModel, ConfigDict, field_validator

from genretune.data.specs import SplitSpec, WindowSpec
from genretune.tune.error_messages import hint
from genretune.tune.metric_names import METRICS
from genretune.tune.reproducibility.literals import Device, Level, Precision

Component = dict[str, Any]
Count = Annotated[int, Ge(1)]


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


def known_metric(name: str) -> str:
    """``name``, if it is a metric that can be compared; ValueError with the choices else."""
    if name not in METRICS:
        raise ValueError(f"must be one of {', '.join(METRICS)}{hint(name, METRICS)}")
    return name
