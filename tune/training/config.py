"""Trial configuration: everything that a trial's result depends on, and nothing else.

Paths of data and results, the number of concurrent trials and their resources are run options:
they are not part of ``config.json`` or its signature.
"""

import hashlib
import json
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt
from pydantic import (
    BaseModel,
    ConfigDict,
    SerializerFunctionWrapHandler,
    Strict,
    field_validator,
    model_serializer,
)

from genretune.data.specs import SplitSpec, WindowSpec
from genretune.tune.error_messages import hint
from genretune.tune.metric_names import METRICS
from genretune.tune.reproducibility.literals import Device, Level, Precision

Component = dict[str, Any]
# Strict: true, "50" and 50.0 are no integers, and a space's 5e1 must not mean something else to the
# lr scheduler than to the trial.
Whole = Annotated[int, Strict()]
Count = Annotated[Whole, Ge(1)]
Number = Annotated[float, Strict()]


FIRST_RULES: Literal[1] = 1
"""Those of configurations that name none, which are not named either: signatures stay."""
RULES: Literal[2] = 2


class Frozen(BaseModel):
    """Base of configuration models: immutable, unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class DataConfig(Frozen):
    """The samples of a trial and their split into training and validation windows."""

    samples: str
    """SHA-256 of the corpus as decoded and resampled: the store's ``samples_digest``."""
    sample_rate: Count = 22050
    exclude: tuple[str, ...] = ()
    """Canonical names of excluded clips, sorted."""
    split: SplitSpec = SplitSpec()
    window: WindowSpec = WindowSpec()


class Best(Frozen):
    """The metric that selects a trial's best epoch; independent of early stopping."""

    metric: str = "val_clip_accuracy"

    @field_validator("metric")
    @classmethod
    def _check_metric(cls, value: str) -> str:
        return check_metric_name(value)


class EarlyStopping(Best):
    """A rule: end the trial after ``patience`` epochs without a gain of more than ``min_delta``."""

    metric: str = "val_loss"
    patience: Count = 10
    min_delta: Annotated[Number, Ge(0.0)] = 0.0


class TrialConfig(Frozen):
    """The complete configuration of one trial; components have every default written out."""

    version: Literal[1] = 1
    rules: Literal[1, 2] = FIRST_RULES
    """By which figures are computed. 1: the loss of a clip is that of the mean of its windows'
    log-probabilities as it is, and mixup's partners do not count in the metrics of training."""
    seed: Whole
    epochs: Count = 50
    batch_size: Count = 64
    micro_batch_size: Count | None = None
    """Windows per forward and backward pass in training; null = the whole batch.

    ``auto`` in a user's settings: ``CPU_MICRO_BATCH`` on a CPU if the network has no batch
    normalisation, else null.
    """
    eval_batch_size: Count = 16
    """Windows per forward pass in evaluation; the default fits the caches of a CPU.

    ``auto`` in a user's settings: the default on a CPU; on a GPU twice the windows of a training
    pass, at least the default and at most ``GPU_EVAL_BATCH_LIMIT``.
    """
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
    clip_grad_norm: Annotated[Number, Gt(0.0)] | None = None
    early_stopping: EarlyStopping | None = None
    best: Best = Best()
    plugins: dict[str, str] = {}
    """SHA-256 of each plug-in file, by file name."""

    @model_serializer(mode="wrap")
    def _as_of_its_time(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values: dict[str, Any] = serialize(self)
        if self.rules == FIRST_RULES:
            del values["rules"]
        return values

    def canonical(self) -> str:
        """Return the configuration as JSON: sorted keys, one per line, floats that round-trip."""
        return json.dumps(self.model_dump(mode="json"), indent=2, sort_keys=True, allow_nan=False)

    def signature(self) -> str:
        """Return the SHA-256 of the canonical JSON.

        Trials with equal signatures compute equal bits on machines of one machine class.
        """
        return hashlib.sha256(self.canonical().encode()).hexdigest()


def check_metric_name(name: str) -> str:
    """Return ``name`` if it is a metric.

    Raises:
        ValueError: listing the metrics; pydantic reports it with the key.
    """
    if name not in METRICS:
        raise ValueError(f"must be one of {', '.join(METRICS)}{hint(name, METRICS)}")
    return name
