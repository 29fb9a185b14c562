"""Faults that pydantic found with a component's arguments, put into one line each."""

from collections.abc import Collection, Mapping

from pydantic import BaseModel, ValidationError

from genretune.data.name_suggestions import closest_name
from genretune.models.schema_text import in_words, show


def problems(
    component: str,
    kind: str,
    schema: type[BaseModel],
    user: Mapping[str, object],
    context: Collection[str],
    error: ValidationError,
) -> list[str]:
    """Write one line for each argument that is at fault, in the order given."""
    properties = schema.model_json_schema(by_alias=True).get("properties", {})
    lines: dict[str, str] = {}
    for fault in error.errors(include_url=False):
        key = str(fault["loc"][0]) if fault["loc"] else ""
        where = f"{kind}.{key}" if key else kind
        if key in lines:
            continue
        if key not in user and fault["type"] == "missing":
            rule = in_words(properties[key])
            lines[key] = f"{where}: must be {rule}, got nothing (it has no default: give a value)"
        elif fault["type"] == "extra_forbidden" and key not in properties:
            lines[key] = _unknown(component, where, key, user[key], properties, context)
        elif key in user:
            lines[key] = _unfit(where, user[key], properties[key], fault["type"], fault["msg"])
        else:
            lines[key] = f"{where}: {component} has a default that breaks its rule, {fault['msg']}"
    return list(lines.values())


def _unknown(
    component: str,
    where: str,
    key: str,
    value: object,
    properties: Mapping[str, object],
    context: Collection[str],
) -> str:
    if key in context:
        return f"{where}: is supplied by the program, got {show(value)} (leave it out)"
    close = closest_name(key, properties)
    known = ", ".join(properties) or "none"
    hint = f"did you mean '{close}'? arguments: {known}" if close else f"arguments: {known}"
    return f"{where}: must be an argument of {component}, got {key}={show(value)} ({hint})"


def _unfit(where: str, value: object, rule: Mapping[str, object], fault: str, message: str) -> str:
    words = in_words(rule)
    if fault in ("value_error", "assertion_error"):  # a rule written in Python by a plug-in
        return f"{where}: {message.partition(', ')[2]}, got {show(value)} (must be {words})"
    hint = f"the default is {show(rule['default'])}" if "default" in rule else "it has no default"
    if isinstance(value, str):
        close = closest_name(value, _choices(rule))
        if close:
            hint = f"did you mean '{close}'?"
        elif _is_number(value):
            hint = "it was read as a text: leave out quotes, and write 1.0e-5, not 1e-5, in YAML"
    return f"{where}: must be {words}, got {show(value)} ({hint})"


def _choices(rule: Mapping[str, object]) -> list[str]:
    """Collect the texts that a rule allows, also those inside ``anyOf``."""
    texts = [rule.get("const")]
    for key in ("enum", "anyOf"):
        options = rule.get(key)
        if isinstance(options, list):
            texts += [t for o in options for t in (_choices(o) if isinstance(o, dict) else [o])]
    return [text for text in texts if isinstance(text, str)]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
