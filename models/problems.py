"""Error messages for invalid component arguments, one line each, from pydantic's errors."""

from collections.abc import Collection, Mapping

from pydantic import BaseModel, ValidationError

from genretune.data.name_suggestions import closest_name
from genretune.models.schema_text import describe_rule, show


def problems(
    component: str,
    kind: str,
    schema: type[BaseModel],
    arguments: Mapping[str, object],
    context: Collection[str],
    error: ValidationError,
) -> list[str]:
    """Return one message per invalid argument, in pydantic's order.

    Args:
        component: name of the component.
        kind: the configuration key, prefix of every message.
        schema: the model that raised ``error``.
        arguments: the values that were validated.
        context: parameters supplied by the program.
        error: may hold several errors for one argument, such as one per member of a union; the
            first is reported.
    """
    properties = schema.model_json_schema(by_alias=True).get("properties", {})
    lines: dict[str, str] = {}
    for item in error.errors(include_url=False):
        key = str(item["loc"][0]) if item["loc"] else ""
        where = f"{kind}.{key}" if key else kind
        if key in lines:
            continue
        if key not in arguments and item["type"] == "missing":
            rule = describe_rule(properties[key])
            lines[key] = f"{where}: must be {rule}, got nothing (it has no default: set a value)"
        elif item["type"] == "extra_forbidden" and key not in properties:
            lines[key] = _unknown_line(component, where, key, arguments[key], properties, context)
        elif key in arguments:
            value = arguments[key]
            lines[key] = _invalid_line(where, value, properties[key], item["type"], item["msg"])
        else:
            lines[key] = f"{where}: {component} has an invalid default value, {item['msg']}"
    return list(lines.values())


def _unknown_line(
    component: str,
    where: str,
    key: str,
    value: object,
    properties: Mapping[str, object],
    context: Collection[str],
) -> str:
    if key in context:
        return f"{where}: is supplied by the program, got {show(value)} (omit it)"
    close = closest_name(key, properties)
    known = ", ".join(properties) or "none"
    hint = f"did you mean '{close}'? arguments: {known}" if close else f"arguments: {known}"
    return f"{where}: must be an argument of {component}, got {key}={show(value)} ({hint})"


def _invalid_line(
    where: str, value: object, rule: Mapping[str, object], error_type: str, message: str
) -> str:
    description = describe_rule(rule)
    if error_type in ("value_error", "assertion_error"):  # raised by a validator of a plug-in
        return f"{where}: {message.partition(', ')[2]}, got {show(value)} (must be {description})"
    hint = f"the default is {show(rule['default'])}" if "default" in rule else "it has no default"
    if isinstance(value, str):
        close = closest_name(value, _choices(rule))
        if close:
            hint = f"did you mean '{close}'?"
        elif _is_number(value):
            hint = "it was read as a string: remove the quotes; in YAML write 1.0e-5, not 1e-5"
    return f"{where}: must be {description}, got {show(value)} ({hint})"


def _choices(rule: Mapping[str, object]) -> list[str]:
    """Return the strings that a rule allows, including those nested in ``anyOf``."""
    choices = [rule.get("const")]
    for key in ("enum", "anyOf"):
        options = rule.get(key)
        if isinstance(options, list):
            for option in options:
                choices += _choices(option) if isinstance(option, dict) else [option]
    return [choice for choice in choices if isinstance(choice, str)]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
