"""Descriptions of JSON Schema fragments and of values, for error messages and listings."""

import json
from collections.abc import Mapping

_TYPES = {
    "integer": "a whole number",
    "number": "a number",
    "string": "a string",
    "boolean": "true or false",
    "null": "null",
    "object": "a mapping",
}
_BOUNDS = {
    "minimum": ">=",
    "exclusiveMinimum": ">",
    "maximum": "<=",
    "exclusiveMaximum": "<",
}


def show(value: object) -> str:
    """Return a value as JSON (``null``, ``true``), or its ``repr`` if it is not a JSON value."""
    try:
        return json.dumps(value)
    except (TypeError, ValueError):
        return repr(value)


def describe_rule(schema: Mapping[str, object]) -> str:
    """Describe one JSON Schema fragment: ``a whole number >= 1, or null``."""
    options = schema.get("anyOf")
    if isinstance(options, list):
        members = list(dict.fromkeys(describe_rule(option) for option in options))
        return members[0] if len(members) == 1 else f"{', '.join(members[:-1])}, or {members[-1]}"
    if "const" in schema:
        return show(schema["const"])
    choices = schema.get("enum")
    if isinstance(choices, list):
        return f"one of {', '.join(str(choice) for choice in choices)}"
    if schema.get("type") == "array":
        return _describe_list(schema)
    kind = _TYPES.get(str(schema.get("type")), "a value")
    bounds = [f"{sign} {schema[key]:g}" for key, sign in _BOUNDS.items() if key in schema]
    return f"{kind} {' and '.join(bounds)}" if bounds else kind


def _describe_list(schema: Mapping[str, object]) -> str:
    prefix = schema.get("prefixItems")
    if isinstance(prefix, list):
        return f"a list of {len(prefix)}: {'; '.join(describe_rule(item) for item in prefix)}"
    low, high = schema.get("minItems"), schema.get("maxItems")
    items = schema.get("items")
    each = f" (each {describe_rule(items)})" if isinstance(items, dict) and items else ""
    if low is None:
        return f"a list{each}"
    if low == high:
        return f"a list of {low} values{each}"
    return f"a list of at least {low}{each}"
