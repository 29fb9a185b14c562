"""Wording of validation errors: ``where: rule, got value (did you mean '...'?)``."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from genretune.data.name_suggestions import closest_name

_MAX_SHOWN = 60


def problems(error: ValidationError, model: type[BaseModel], *, where: str = "") -> list[str]:
    """Return one line for each problem in ``error``, beginning with its dotted key.

    Args:
        where: dotted key of the model itself, put in front of every key.
    """
    return [_line(item, model, where) for item in error.errors()]


def _line(item: Mapping[str, Any], model: type[BaseModel], where: str) -> str:
    location = [str(part) for part in item["loc"]]
    key = ".".join([where, *location] if where else location)
    match item["type"]:
        case "extra_forbidden":
            known = model_keys(model, location[:-1])
            return f"{key}: unknown key{hint(location[-1], known)}"
        case "missing":
            return f"{key}: is required (add it)"
        case _:
            rule = str(item["msg"]).removeprefix("Value error, ")
            rule = rule.replace("Input should be", "must be", 1)
            rule = rule.replace("a valid integer", "a whole number").replace(
                "a valid number", "a number"
            )
            return f"{key}: {rule[0].lower()}{rule[1:]}, got {_shortened(item['input'])}"


def model_keys(model: type[BaseModel], location: Iterable[str]) -> list[str]:
    """Return the field names of the model nested at ``location``; empty if there is none."""
    nested: type[BaseModel] = model
    for part in location:
        field = nested.model_fields.get(part)
        if field is None:
            return []
        models = [
            candidate
            for candidate in [field.annotation, *get_args(field.annotation)]  # Model | None
            if isinstance(candidate, type) and issubclass(candidate, BaseModel)
        ]
        if not models:
            return []
        nested = models[0]
    return list(nested.model_fields)


def hint(name: str, choices: Iterable[str]) -> str:
    """Return `` (did you mean '...'?)`` for the closest choice, or an empty string."""
    close = closest_name(name, choices)
    return f" (did you mean {close!r}?)" if close else ""


def _shortened(value: Any) -> str:
    try:
        text = json.dumps(value)
    except (TypeError, ValueError):
        text = repr(value)
    return text if len(text) <= _MAX_SHOWN else f"{text[: _MAX_SHOWN - 3]}..."
