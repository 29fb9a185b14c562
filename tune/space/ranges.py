"""Parser of distributions: ``{distribution: loguniform, min: ..., max: ...}``.

Names are Ray Tune's; W&B's names for distributions in value space are aliases. W&B's names in
exponent space are refused, because their bounds have another meaning.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from genretune.data.name_suggestions import did_you_mean
from genretune.tune.space.distributions import Normal, Range
from genretune.tune.space.problems import Path, Problems, show


@dataclass(frozen=True)
class _RangeKind:
    log: bool = False
    integer: bool = False
    quantised: bool = False


RANGES: dict[str, _RangeKind] = {
    "uniform": _RangeKind(),
    "quniform": _RangeKind(quantised=True),
    "loguniform": _RangeKind(log=True),
    "qloguniform": _RangeKind(log=True, quantised=True),
    "randint": _RangeKind(integer=True),
    "qrandint": _RangeKind(integer=True, quantised=True),
    "lograndint": _RangeKind(log=True, integer=True),
    "qlograndint": _RangeKind(log=True, integer=True, quantised=True),
}
NORMALS: dict[str, bool] = {"randn": False, "qrandn": True}
ALIASES: dict[str, str] = {
    "q_uniform": "quniform",
    "log_uniform_values": "loguniform",
    "inv_log_uniform_values": "loguniform",
    "q_log_uniform_values": "qloguniform",
    "int_uniform": "randint",
    "normal": "randn",
    "q_normal": "qrandn",
}
_IN_EXPONENTS: dict[str, str] = {
    "log_uniform": "loguniform",
    "q_log_uniform": "qloguniform",
    "inv_log_uniform": "loguniform",
    "log_normal": "loguniform",
    "q_log_normal": "qloguniform",
}
_LISTS = ("choice", "categorical", "grid_search")


def parse_distribution(
    raw: Mapping[str, object], path: Path, problems: Problems
) -> Range | Normal | None:
    """Parse a distribution; None if it has problems, which are added to ``problems``.

    Args:
        raw: mapping with the key ``distribution``.
        path: of ``raw`` in the file.
    """
    name = raw["distribution"]
    name_path = (*path, "distribution")
    if not isinstance(name, str):
        problems.add(name_path, f"must be the name of a distribution, got {show(name)}")
        return None
    if name in _LISTS:
        problems.add(name_path, f"must be a range, got '{name}'", advice="write {values: [...]}")
        return None
    if name in _IN_EXPONENTS:
        problems.add(
            name_path,
            f"must have its bounds in values, got '{name}', whose bounds are exponents in W&B",
            advice=f"use {_IN_EXPONENTS[name]} with values: min: {math.e:.4g} instead of the "
            "exponent 1",
        )
        return None
    name = ALIASES.get(name, name)
    if name in RANGES:
        return _parse_range(name, raw, path, problems)
    if name in NORMALS:
        return _parse_normal(name, raw, path, problems)
    known = (*RANGES, *NORMALS, *ALIASES)
    advice = did_you_mean(name, known)
    if advice.startswith("known"):
        advice = f"known: {', '.join((*RANGES, *NORMALS))}"
    problems.add(name_path, f"must be the name of a distribution, got '{name}'", advice=advice)
    return None


def _parse_range(
    name: str, raw: Mapping[str, object], path: Path, problems: Problems
) -> Range | None:
    kind = RANGES[name]
    before = len(problems)
    allowed = ("distribution", "min", "max", *(("q",) if kind.quantised else ()), "zero")
    _refuse_other_keys(raw, allowed, path, problems)
    low = _number(raw, "min", path, problems, integer=kind.integer)
    high = _number(raw, "max", path, problems, integer=kind.integer)
    step = _number(raw, "q", path, problems, integer=kind.integer) if kind.quantised else None
    zero = _number(raw, "zero", path, problems) if "zero" in raw else 0.0
    if low is None or high is None or zero is None or (kind.quantised and step is None):
        return None
    if kind.integer and step is None:
        step = 1
    if low > high:
        problems.add((*path, "min"), f"must not be above max, got {low!r} > {high!r}")
    if kind.log and low <= 0:
        problems.add(
            (*path, "min"),
            f"must be above 0 in {name}, got {low!r}",
            advice="to allow exactly 0 as well, give its probability: zero: 0.1",
        )
    if step is not None and step <= 0:
        problems.add((*path, "q"), f"must be above 0, got {step!r}")
    elif step is not None and not _divides(step, low, high):
        problems.add((*path, "q"), f"must divide max - min, got q {step!r} for {low!r} to {high!r}")
    if not 0 <= zero < 1:
        problems.add((*path, "zero"), f"must be a probability in [0, 1), got {zero!r}")
    elif zero > 0 and low <= 0 <= high:
        problems.add(
            (*path, "zero"), f"must not be given for a range that contains 0, got min {low!r}"
        )
    if len(problems) > before:
        return None
    if not kind.integer:
        low, high, zero = float(low), float(high), float(zero)
        step = None if step is None else float(step)
    return Range(name, low, high, kind.log, kind.integer, step, float(zero))


def _parse_normal(
    name: str, raw: Mapping[str, object], path: Path, problems: Problems
) -> Normal | None:
    quantised = NORMALS[name]
    before = len(problems)
    allowed = ("distribution", "mean", "sd", *(("q",) if quantised else ()))
    _refuse_other_keys(raw, allowed, path, problems)
    mean = _number(raw, "mean", path, problems)
    sd = _number(raw, "sd", path, problems)
    step = _number(raw, "q", path, problems) if quantised else None
    if sd is not None and sd <= 0:
        problems.add((*path, "sd"), f"must be above 0, got {sd!r}")
    if step is not None and step <= 0:
        problems.add((*path, "q"), f"must be above 0, got {step!r}")
    if len(problems) > before or mean is None or sd is None:
        return None
    return Normal(name, float(mean), float(sd), None if step is None else float(step))


def _refuse_other_keys(
    raw: Mapping[str, object], allowed: tuple[str, ...], path: Path, problems: Problems
) -> None:
    for key in raw:
        if key not in allowed:
            problems.add((*path, key), "unknown key", advice=did_you_mean(key, allowed))


def _number(
    raw: Mapping[str, object], key: str, path: Path, problems: Problems, *, integer: bool = False
) -> float | None:
    if key not in raw:
        problems.add(path, f"{key} is required in {show(raw['distribution'])}")
        return None
    value = raw[key]
    number = "a whole number" if integer else "a number"
    if isinstance(value, str):
        problems.add(
            (*path, key),
            f"must be {number}, got the string {show(value)}",
            advice="remove the quotes",
        )
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        problems.add((*path, key), f"must be {number}, got {show(value)}")
        return None
    if integer and not isinstance(value, int):
        problems.add((*path, key), f"must be {number}, got {value!r}")
        return None
    if not math.isfinite(value):
        problems.add((*path, key), f"must be finite, got {value!r}")
        return None
    return value


def _divides(step: float, low: float, high: float) -> bool:
    # in decimals, since 0.1 does not divide 0.3 in binary; the tolerance admits q: 0.3333333333
    parts = (Decimal(repr(high)) - Decimal(repr(low))) / Decimal(repr(step))
    return abs(parts - round(parts)) < Decimal("1e-9")
