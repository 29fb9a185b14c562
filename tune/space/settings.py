"""The fixed keys of a space file, each explained under it; what is swept is parsed elsewhere."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from genretune.data.name_suggestions import closest_name, did_you_mean
from genretune.tune.space.problems import Path, Problems, show

Keep = Literal["usual", "best", "all", "none"]
"""Checkpoints kept of finished trials. usual: best and last of a completed trial, none of others;
best: the best of a completed trial; all: whatever training left (best and the last two); none."""


class Strict(BaseModel):
    """Frozen, nothing extra, nothing converted."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True
    )


class Metric(Strict):
    """What the search is after."""

    name: Annotated[str, Field(min_length=1)]
    """A column of metrics.tsv, for example val_clip_accuracy."""
    mode: Literal["max", "min"]
    """Whether more is better or less."""


class RandomSampler(Strict):
    """Independent draws."""

    type: Literal["random"] = "random"


class GridSampler(Strict):
    """Every combination once, the last key turning fastest."""

    type: Literal["grid"]


class QmcSampler(Strict):
    """Scrambled Sobol points: more even than random."""

    type: Literal["qmc"]


class TpeSampler(Strict):
    """Tree-structured Parzen estimator over the trials that are far enough."""

    type: Literal["tpe"]
    lag: Annotated[int, Field(ge=1)] = 16
    """Trial i is chosen once all trials up to i - lag are settled at the first rung."""
    n_startup: Annotated[int, Field(ge=1)] = 10
    """Random draws until so many trials have been observed."""


class NoTermination(Strict):
    """Every trial runs to its end."""

    type: Literal["none"] = "none"


class Asha(Strict):
    """Asynchronous successive halving, https://arxiv.org/abs/1810.05934."""

    type: Literal["asha"]
    grace_period: Annotated[int, Field(ge=1)] = 1
    """Epochs before the first rung."""
    reduction_factor: Annotated[int, Field(ge=2)] = 3
    """One trial in so many goes on from a rung; rungs are so many times apart."""
    brackets: Annotated[int, Field(ge=1)] = 1
    """Trial i belongs to bracket i mod brackets; bracket b starts b rungs later."""
    order: Literal["index", "arrival"] = "index"
    """Whom a trial is compared with: those with lower numbers, or those who came first."""


class Data(Strict):
    """Which clips, and who validates."""

    split: dict[str, object] = {}
    window: dict[str, object] = {}
    sample_rate: Annotated[int, Field(ge=1)] | None = None
    exclude: list[str] = []
    leakage: Literal["error", "warn", "off"] = "error"


Sampler = Annotated[
    RandomSampler | GridSampler | QmcSampler | TpeSampler, Field(discriminator="type")
]
EarlyTermination = Annotated[NoTermination | Asha, Field(discriminator="type")]


class Settings(Strict):
    """A space file without its parameters."""

    version: Literal[1]
    """Of this file's format."""
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    """Names the run's directory; letters, digits, dot, dash, underscore."""
    seed: Annotated[int, Field(ge=0, lt=2**63)]
    """The sweep's seed: configurations and, with seeds: per_trial, the trials' seeds."""
    trials: Annotated[int, Field(ge=1)]
    """How many configurations are tried."""
    metric: Metric
    sampler: Sampler = RandomSampler()
    early_terminate: EarlyTermination = NoTermination()
    seeds: Literal["per_trial", "shared"] = "per_trial"
    """Own training seed for each trial, or one for all, so that only configurations differ."""
    keep: Keep = "usual"
    """Which checkpoints of finished trials stay: of completed ones best and last, or the best; all
    that training left; none. Changes no result; --keep goes before it."""
    data: Data = Data()
    trial: dict[str, object]
    """What all trials share: the keys of config.json."""
    start_with: list[dict[str, object]] = []
    """Fixed first trials, each with every parameter."""


_BY_TYPE: dict[str, dict[str, type[BaseModel]]] = {
    "sampler": {
        "random": RandomSampler,
        "grid": GridSampler,
        "qmc": QmcSampler,
        "tpe": TpeSampler,
    },
    "early_terminate": {"none": NoTermination, "asha": Asha},
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
    """Check everything but ``parameters``; None when problems were found."""
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
    """One of pydantic's findings in our words."""
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
        "string_type": "must be a word",
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
    """The path in the file and the value there; pydantic's union tags are left out."""
    path: Path = ()
    at: object = data
    for position, part in enumerate(loc):
        inside = (isinstance(at, Mapping) and part in at) or (
            isinstance(at, list) and isinstance(part, int) and part < len(at)
        )
        if inside:
            at = at[part]  # type: ignore[index]
            path = (*path, part)
        elif position == len(loc) - 1:
            return (*path, part), None
    return path, at


def _known_keys(path: Path, data: Mapping[str, object]) -> Iterable[str]:
    if not path:
        return [*Settings.model_fields, "parameters"]
    part = data.get(str(path[0]))
    if path[0] in _BY_TYPE and isinstance(part, Mapping):
        return _BY_TYPE[str(path[0])][str(part["type"])].model_fields
    models: dict[str, type[BaseModel]] = {"metric": Metric, "data": Data}
    return models[str(path[0])].model_fields if path[0] in models else ()
