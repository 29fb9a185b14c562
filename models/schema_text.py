"""JSON-schema fragments put into words, and values as a configuration file would show them."""

import json
from collections.abc import Mapping

_TYPES = {
    "integer": "a whole number",
    "number": "a number",
    "string": "a text",
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
    """Show a value as JSON where it is one (``null``, ``true``), else as Python does."""
    try:
        return json.dumps(value)
    except (TypeError, ValueError):
        return repr(value)


def in_words(schema: Mapping[str, object]) -> str:
    """Put one JSON-schema fragment into words: ``a whole number >= 1, or null``."""
    options = schema.get("anyOf")
    if isinstance(options, list):
        words = list(dict.fromkeys(in_words(option) for option in options))
        return words[0] if len(words) == 1 else f"{', '.join(words[:-1])}, or {words[-1]}"
    if "const" in schema:
        return show(schema["const"])
    choices = schema.get("enum")
    if isinstance(choices, list):
        return f"one of {', '.join(str(choice) for choice in choices)}"
    if schema.get("type") == "array":
        return _list_in_words(schema)
    kind = _TYPES.get(str(schema.get("type")), "a value")
    bounds = [f"{sign} {schema[key]:g}" for key, sign in _BOUNDS.items() if key in schema]
    return f"{kind} {' and '.join(bounds)}" if bounds else kind


def _list_in_words(schema: Mapping[str, object]) -> str:
    prefix = schema.get("prefixItems")
    if isinstance(prefix, list):
        return f"a list of {len(prefix)}: {'; '.join(in_words(item) for item in prefix)}"
    low, high = schema.get("minItems"), schema.get("maxItems")
    count = f"{low} " if low == high and low is not None else ""
    items = schema.get("items")
    inner = f" (each {in_words(items)})" if isinstance(items, dict) and items else ""
    least = f" of at least {low}" if low is not None and not count else ""
    return f"a list of {count}values{inner}" if count else f"a list{least}{inner}"
