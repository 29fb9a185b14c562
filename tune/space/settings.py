"""The fixed keys of a space file, each with its documentation.

The docstrings here are the descriptions in ``search_spaces/schema.json``. Swept parameters are
parsed by ``parameters``.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, ClassVar, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from genretune.data.name_suggestions import closest_name, did_you_mean
from genretune.tune.space.problems import Path, Problems, show

Keep = Literal["usual", "best", "all", "none"]
"""Which checkpoints of finished trials are kept.

usual: best and last of completed trials; best: the best of completed trials; all: everything that
training left (best and the last two), of other trials as well; none: no checkpoints.
"""


class StrictModel(BaseModel):
    """A frozen model that refuses unknown keys and converts no types."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True
    )


class Metric(StrictModel):
    """The objective of the search."""

    name: Annotated[str, Field(min_length=1)]
    """A column of metrics.tsv, for example val_clip_accuracy."""
    mode: Literal["max", "min"]
    """Whether higher or lower is better."""


class RandomSampler(StrictModel):
    """Independent draws."""

    needs_history: ClassVar[Literal[False]] = False
    type: Literal["random"] = "random"


class GridSampler(StrictModel):
    """Every combination once."""

    needs_history: ClassVar[Literal[False]] = False
    type: Literal["grid"]
    order: Literal["file", "shuffled"] = "file"
    """file: as the file is written, the last key varies fastest; shuffled: by the sweep's seed, so
    that the first trials of a large grid are spread over all of it."""


class QmcSampler(StrictModel):
    """Scrambled Sobol points: cover the space more evenly than random draws."""

    needs_history: ClassVar[Literal[False]] = False
    type: Literal["qmc"]


class TpeSampler(StrictModel):
    """Optuna's tree-structured Parzen estimator, fitted to one rung; on learning curves it found
    less than random search, so use parzen."""

    needs_history: ClassVar[Literal[True]] = True
    every_rung: ClassVar[bool] = False
    type: Literal["tpe"]
    lag: Annotated[int, Field(ge=1)] = 16
    """Trial i is sampled once all trials up to i - lag are settled at the first rung."""
    n_startup: Annotated[int, Field(ge=1)] = 10
    """Number of observed trials before which draws are random."""


class ParzenSampler(StrictModel):
    """Parzen estimators of the best trials, ranked across rungs; half of the trials are random."""

    needs_history: ClassVar[Literal[True]] = True
    every_rung: ClassVar[bool] = True
    type: Literal["parzen"]
    lag: Annotated[int, Field(ge=1)] = 16
    """Trial i is sampled once all trials up to i - lag are settled at the first rung."""
    n_startup: Annotated[int, Field(ge=1)] = 24
    """Number of observed trials before which all draws are random."""


class NoTermination(StrictModel):
    """No early termination: every trial runs to its end."""

    type: Literal["none"] = "none"


class Asha(StrictModel):
    """Asynchronous successive halving, https://arxiv.org/abs/1810.05934."""

    type: Literal["asha"]
    grace_period: Annotated[int, Field(ge=1)] = 1
    """Epochs before the first rung."""
    reduction_factor: Annotated[int, Field(ge=2)] = 3
    """One in reduction_factor trials is promoted at each rung, and the epochs of successive rungs
    grow by this factor."""
    brackets: Annotated[int, Field(ge=1)] = 1
    """Number of brackets. Trial i belongs to bracket i mod brackets; bracket b skips the first b
    rungs."""
    order: Literal["index", "arrival"] = "index"
    """Which trials a trial is compared with at a rung: those with lower indices (the outcome does
    not depend on the number of workers), or those that arrived earlier (classical ASHA)."""

    def rung_epochs(self, epochs: int) -> tuple[int, ...]:
        """Return the epochs of bracket 0's rungs, ascending, for trials of ``epochs`` epochs.

        All are below ``epochs``: there is no verdict at the end of a trial.
        """
        rungs = []
        epoch = self.grace_period
        while epoch < epochs:
            rungs.append(epoch)
            epoch *= self.reduction_factor
        return tuple(rungs)


class Data(StrictModel):
    """Which clips are used, and how they are split into training and validation."""

    split: dict[str, object] = {}
    window: dict[str, object] = {}
    sample_rate: Annotated[int, Field(ge=1)] | None = None
    exclude: list[str] = []
    leakage: Literal["error", "warn", "off"] = "error"


SamplerSettings = RandomSampler | GridSampler | QmcSampler | TpeSampler | ParzenSampler
"""``needs_history``: the sampler learns from earlier trials; then it also has ``lag``,
``n_startup`` and ``every_rung``: whether from all rungs at once, or from the deepest known."""
EarlyTermination = NoTermination | Asha


class Settings(StrictModel):
    """A space file without its parameters."""

    version: Literal[1]
    """Version of the file format."""
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    """Name of the sweep and of its run directory: letters, digits, dots, dashes, underscores."""
    seed: Annotated[int, Field(ge=0, lt=2**63)]
    """Seed of the sweep, for configurations and, with seeds: per_trial, for the trials' seeds."""
    trials: Annotated[int, Field(ge=1)]
    """Number of configurations to try."""
    metric: Metric
    sampler: SamplerSettings = Field(default=RandomSampler(), discriminator="type")
    early_terminate: EarlyTermination = Field(default=NoTermination(), discriminator="type")
    seeds: Literal["per_trial", "shared"] = "per_trial"
    """A separate training seed for each trial, or one shared by all, so that only configurations
    differ."""
    keep: Keep = "usual"
    """Which checkpoints of finished trials are kept: best and last of completed trials (usual),
    only the best of completed trials (best), everything that training left (all), or none. Does
    not affect results; --keep overrides it."""
    data: Data = Data()
    trial: dict[str, object]
    """Settings that all trials share: keys of config.json."""
    start_with: list[dict[str, object]] = []
    """Configurations of the first trials; parameters that one leaves out are drawn at random."""


_BY_TYPE: dict[str, dict[str, type[BaseModel]]] = {
    key: {get_args(model.model_fields["type"].annotation)[0]: model for model in get_args(union)}
    for key, union in (("sampler", SamplerSettings), ("early_terminate", EarlyTermination))
}
_EXAMPLES = {
    "version": "version: 1",
    "name": "name: my-search",
    "seed": "seed: 1",
    "trials": "trials: 64",
    "metric": "metric: {name: val_clip_accuracy, mode: max}",
    "trial": "trial: {epochs: 50}",
}


def parse_settings(data: Mapping[str, object], problems: Problems) -> Settings | None:
    """Validate everything except ``parameters``; None if there are problems, which are added."""
    given = {key: value for key, value in data.items() if key != "parameters"}
    for key, by_type in _BY_TYPE.items():
        part = given.get(key)
        if isinstance(part, Mapping) and "type" not in part:
            problems.add((key,), "type is required", advice=f"known: {', '.join(by_type)}")
            given.pop(key)
    try:
        return Settings.model_validate(given)
    except ValidationError as error:
        for item in error.errors(include_url=False):
            _explain(item["type"], item["loc"], item.get("ctx", {}), data, problems)
    return None


def _explain(
    kind: str,
    loc: tuple[int | str, ...],
    context: Mapping[str, object],
    data: Mapping[str, object],
    problems: Problems,
) -> None:
    """Add one of pydantic's errors as a problem, worded like all others."""
    path, value = _locate(loc, data)
    if kind == "missing":
        example = _EXAMPLES.get(str(path[-1]), "") if len(path) == 1 else ""
        problems.add(path, "is required", advice=f"for example {example}" if example else "")
        return
    if kind == "extra_forbidden":
        known = [*_known_keys(path[:-1], data)]
        problems.add(path, "unknown key", advice=did_you_mean(str(path[-1]), known))
        return
    if kind == "union_tag_invalid":
        known = list(_BY_TYPE[str(path[-1])])
        given = value.get("type") if isinstance(value, Mapping) else value
        problems.add(
            (*path, "type"),
            f"must be one of {', '.join(known)}, got {show(given)}",
            advice=did_you_mean(str(given), known),
        )
        return
    advice = ""
    if kind == "literal_error":
        choices = str(context["expected"]).replace("'", "").replace(" or ", ", ").split(", ")
        if isinstance(value, str):
            close = closest_name(value, choices)
            advice = f"did you mean '{close}'?" if close else ""
    problems.add(path, f"{_rule(kind, context)}, got {show(value)}", advice=advice)


def _rule(kind: str, context: Mapping[str, object]) -> str:
    rules = {
        "int_type": "must be a whole number",
        "int_from_float": "must be a whole number",
        "string_type": "must be a string",
        "dict_type": "must be a mapping",
        "model_type": "must be a mapping",
        "model_attributes_type": "must be a mapping",
        "list_type": "must be a list",
        "string_too_short": "must not be empty",
        "string_pattern_mismatch": "must be letters, digits, dots, dashes and underscores",
    }
    if kind == "greater_than_equal":
        return f"must be at least {context['ge']}"
    if kind == "less_than":
        return f"must be below {context['lt']}"
    if kind == "literal_error":
        return f"must be {str(context['expected']).replace(chr(39), '')}"
    return rules.get(kind, f"must be valid ({kind})")


def _locate(loc: tuple[int | str, ...], data: Mapping[str, object]) -> tuple[Path, object]:
    """Return the path in the file and the value there, without pydantic's union tags."""
    path: Path = ()
    value: object = data
    for position, part in enumerate(loc):
        exists = (isinstance(value, Mapping) and part in value) or (
            isinstance(value, list) and isinstance(part, int) and part < len(value)
        )
        if exists:
            value = value[part]  # type: ignore[index]
            path = (*path, part)
        elif position == len(loc) - 1:  # a missing key; other parts that do not exist are tags
            return (*path, part), None
    return path, value


def _known_keys(path: Path, data: Mapping[str, object]) -> Iterable[str]:
    if not path:
        return [*Settings.model_fields, "parameters"]
    part = data.get(str(path[0]))
    if path[0] in _BY_TYPE and isinstance(part, Mapping):
        return _BY_TYPE[str(path[0])][str(part["type"])].model_fields
    models: dict[str, type[BaseModel]] = {"metric": Metric, "data": Data}
    return models[str(path[0])].model_fields if path[0] in models else ()
