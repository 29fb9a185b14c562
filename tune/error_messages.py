"""Checked input as lines of text: ``where: rule, got value (did you mean '...'?)``."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from genretune.data.name_suggestions import closest_name


def problems(error: ValidationError, model: type[BaseModel], *, where: str = "") -> list[str]:
    """Each thing that ``error`` found, as one line with its dotted key."""
    return [_line(item, model, where) for item in error.errors()]


def _line(item: Mapping[str, Any], model: type[BaseModel], where: str) -> str:
    location = [str(part) for part in item["loc"]]
    key = ".".join([where, *location] if where else location)
    value = _short(item["input"])
    match item["type"]:
        case "extra_forbidden":
            known = model_keys(model, location[:-1])
            return f"{key}: unknown key{hint(location[-1], known)}"
        case "missing":
            return f"{key}: is required (add it)"
        case _:
            rule = str(item["msg"]).removeprefix("Value error, ")
            rule = rule.replace("Input should be", "must be", 1)
            return f"{key}: {rule[0].lower()}{rule[1:]}, got {value}"


def model_keys(model: type[BaseModel], location: Iterable[str]) -> list[str]:
    """Names of the fields that a nested model has at ``location``; empty where there is none."""
    here: Any = model
    for part in location:
        field = here.model_fields.get(part)
        nested = [
            candidate
            for candidate in [field and field.annotation, *getattr(field, "metadata", [])]
            if isinstance(candidate, type) and issubclass(candidate, BaseModel)
        ]
        if not nested:
            return []
        here = nested[0]
    return list(here.model_fields)


def hint(name: str, choices: Iterable[str]) -> str:
    """`` (did you mean '...'?)`` for the closest choice, or nothing."""
    close = closest_name(name, choices)
    return f" (did you mean {close!r}?)" if close else ""


def _short(value: Any) -> str:
    try:
        text = json.dumps(value)
    except (TypeError, ValueError):
        text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
