"""The JSON Schema of space files, for editors and other programs.

It describes the structure of a file. Rules that relate several keys, and the contents of a trial,
are checked when the file is loaded.
"""

from typing import Any

from genretune.tune.space.ranges import ALIASES, NORMALS, RANGES
from genretune.tune.space.settings import Settings

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """Return the schema; ``search_spaces/schema.json`` is a copy of it."""
    schema = Settings.model_json_schema()
    definitions: dict[str, Any] = schema.pop("$defs")
    properties = schema.pop("properties")
    for part in (*definitions.values(), {"properties": properties}):
        for field in part.get("properties", {}).values():
            field.pop("title", None)
    properties["parameters"] = {
        "description": "Swept settings: dotted keys of the trial, each with its possible values.",
        "type": "object",
        "minProperties": 1,
        "additionalProperties": {"$ref": "#/$defs/Swept"},
    }
    properties["trial"]["required"] = ["epochs"]
    properties["trial"]["properties"] = {"epochs": {"type": "integer", "minimum": 1}}
    return {
        "$schema": DIALECT,
        "title": "genretune search space",
        **{key: value for key, value in schema.items() if key not in ("title", "required")},
        "required": [*schema["required"], "parameters"],
        "properties": properties,
        "$defs": {**definitions, **_swept()},
    }


def _swept() -> dict[str, Any]:
    """Return the definitions for what is allowed under ``parameters``, at any depth."""
    return {
        "Swept": {
            "anyOf": [
                {"$ref": "#/$defs/Values"},
                {"$ref": "#/$defs/Distribution"},
                {"$ref": "#/$defs/Choice"},
                {"type": "array", "items": {"$ref": "#/$defs/Item"}, "minItems": 1},
                {"$ref": "#/$defs/Nested"},
            ]
        },
        "Nested": {
            "type": "object",
            "minProperties": 1,
            "not": _has_one_of("values", "distribution", "choice"),
            "additionalProperties": {"$ref": "#/$defs/Swept"},
        },
        "Item": {
            "anyOf": [
                {"type": ["null", "boolean", "number", "string"]},
                {"type": "array", "items": {"$ref": "#/$defs/Item"}},
                {"$ref": "#/$defs/Values"},
                {"$ref": "#/$defs/Distribution"},
                {"$ref": "#/$defs/Choice"},
                {
                    "type": "object",
                    "not": _has_one_of("values", "distribution", "choice"),
                    "additionalProperties": {"$ref": "#/$defs/Item"},
                },
            ]
        },
        "Values": _closed(
            {"values": {"type": "array", "minItems": 1, "uniqueItems": True}}, ["values"]
        ),
        "Choice": _closed(
            {"choice": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/Item"}}},
            ["choice"],
        ),
        "Distribution": {"anyOf": [*_ranges(), *_normals()]},
    }


def _ranges() -> list[dict[str, Any]]:
    result = []
    for quantised in (False, True):
        for integer in (False, True):
            names = [
                name
                for name, kind in RANGES.items()
                if (kind.quantised, kind.integer) == (quantised, integer)
            ]
            number: dict[str, Any] = {"type": "integer" if integer else "number"}
            properties: dict[str, Any] = {
                "distribution": {"enum": _with_aliases(names)},
                "min": number,
                "max": number,
                "zero": {"type": "number", "minimum": 0, "exclusiveMaximum": 1},
            }
            if quantised:
                properties["q"] = {**number, "exclusiveMinimum": 0}
            required = ["distribution", "min", "max", *(["q"] if quantised else [])]
            result.append(_closed(properties, required))
    return result


def _normals() -> list[dict[str, Any]]:
    positive = {"type": "number", "exclusiveMinimum": 0}
    result = []
    for name, quantised in NORMALS.items():
        properties = {
            "distribution": {"enum": _with_aliases([name])},
            "mean": {"type": "number"},
            "sd": positive,
            **({"q": positive} if quantised else {}),
        }
        result.append(_closed(properties, list(properties)))
    return result


def _with_aliases(names: list[str]) -> list[str]:
    return [*names, *(alias for alias, name in ALIASES.items() if name in names)]


def _closed(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    """Return the schema of an object without other keys."""
    return {
        "type": "object",
        "additionalProperties": False,
        "required": required,
        "properties": properties,
    }


def _has_one_of(*keys: str) -> dict[str, Any]:
    """Return the schema of an object with at least one of the keys."""
    return {"anyOf": [{"required": [key]} for key in keys]}
