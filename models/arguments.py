"""Validation of a component's name and keyword arguments before the component is built.

A component is a callable in a plain table NAME -> callable. Its annotated keyword signature is the
only description of its arguments: ``Annotated[int, Field(ge=1)]`` declares a constraint, the
default value of the parameter is the default of the argument. Parameters named in ``context``
(``classes``, ``input_shape``, ...) are supplied by the program, and parameters bound by
``functools.partial`` are fixed by the table; a user can set neither.
"""

import inspect
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, Final, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.errors import PydanticSchemaGenerationError
from torch import nn

from genretune.data.name_suggestions import closest_name
from genretune.models.errors import ModelError
from genretune.models.problems import problems
from genretune.models.schema_text import describe_rule, show

Component = Callable[..., object]

REQUIRED: Final = inspect.Parameter.empty


@dataclass(frozen=True)
class Argument:
    """One argument of a component: name, rule in plain English, default.

    Attributes:
        default: None if the argument is required.
    """

    name: str
    rule: str
    default: object
    required: bool


def resolve(
    kind: str,
    table: Mapping[str, Component],
    config: Mapping[str, object],
    *,
    context: Collection[str] = (),
) -> dict[str, object]:
    """Validate a component's name and arguments and fill in all defaults.

    Args:
        kind: the configuration key, such as ``model`` or ``lr_scheduler``; prefix of every message.
        table: the components to choose from.
        config: ``name`` and keyword arguments, plain JSON values.
        context: parameters supplied by the program.

    Returns:
        ``{"name": ..., argument: value, ...}`` in signature order, JSON values only. Resolving the
        result again returns the same.

    Raises:
        ModelError: with one line per problem, all of them at once.
    """
    name = lookup(kind, table, config.get("name"))
    arguments = {key: value for key, value in config.items() if key != "name"}
    schema = _argument_model(kind, name, table[name], frozenset(context))
    text = _as_json(kind, arguments)
    try:
        checked = schema.model_validate_json(text)
    except ValidationError as error:
        raise ModelError(problems(name, kind, schema, arguments, context, error)) from None
    return {"name": name, **checked.model_dump(mode="json", by_alias=True)}


def lookup(kind: str, table: Mapping[str, Component], name: object) -> str:
    """Return ``name`` if it is in the table.

    Raises:
        ModelError: listing the known names and the closest one.
    """
    if isinstance(name, str) and name in table:
        return name
    choices = ", ".join(table) or "none"
    close = closest_name(name, table) if isinstance(name, str) else None
    hint = f"did you mean '{close}'? choose from {choices}" if close else f"choose from {choices}"
    value = "nothing" if name is None else show(name)
    raise ModelError(f"{kind}.name: must be the name of a known {kind}, got {value} ({hint})")


def construct(
    kind: str,
    table: Mapping[str, Component],
    config: Mapping[str, object],
    context: Mapping[str, object],
) -> object:
    """Resolve ``config`` and call the component with its arguments and the context it accepts.

    Raises:
        ModelError: for invalid arguments; exceptions of the component itself propagate.
    """
    resolved = resolve(kind, table, config, context=context)
    component = table[str(resolved["name"])]
    accepted = inspect.signature(component).parameters
    supplied = {key: value for key, value in context.items() if key in accepted}
    arguments = {key: value for key, value in resolved.items() if key != "name"}
    return component(**arguments, **supplied)


def list_arguments(
    kind: str, table: Mapping[str, Component], name: str, *, context: Collection[str] = ()
) -> tuple[Argument, ...]:
    """Return a component's arguments with their rules and defaults, in signature order.

    Raises:
        ModelError: for an unknown name or an unsupported signature.
    """
    name = lookup(kind, table, name)
    model = _argument_model(kind, name, table[name], frozenset(context))
    properties = model.model_json_schema(by_alias=True).get("properties", {})
    return tuple(
        Argument(
            name=str(field.alias),
            rule=describe_rule(properties[field.alias]),
            default=None if field.is_required() else field.get_default(),
            required=field.is_required(),
        )
        for field in model.model_fields.values()
    )


@lru_cache(maxsize=512)
def _argument_model(
    kind: str, name: str, component: Component, context: frozenset[str]
) -> type[BaseModel]:
    """Build the pydantic model of a component's arguments from its signature."""
    bound: set[str] = set()
    function = component
    while isinstance(function, partial):
        bound |= set(function.keywords)
        function = function.func
    hints = _type_hints(kind, name, function)
    fields: dict[str, Any] = {}
    for parameter in _parameters(component):
        if parameter.name in context or parameter.name in bound:
            continue
        _check_parameter(kind, name, parameter, hints)
        default = ... if parameter.default is REQUIRED else parameter.default
        # The prefix keeps arguments such as ``json`` or ``model_config`` from shadowing attributes
        # of BaseModel; the alias is the name that users write.
        fields[f"argument_{parameter.name}"] = (
            hints[parameter.name],
            Field(default, alias=parameter.name),
        )
    config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        validate_default=True,
    )
    try:
        return create_model(f"{kind}_{name}", __config__=config, **fields)
    except PydanticSchemaGenerationError as error:
        problem = str(error).splitlines()[0]
        raise ModelError(
            f"{kind} {name}: arguments must be annotated with plain types, got {problem} "
            "(use int, float, bool, str, None, Literal and lists of these)"
        ) from None


def _parameters(component: Component) -> list[inspect.Parameter]:
    """Return a component's parameters; none for a module that inherits ``nn.Module.__init__``.

    That constructor is declared as ``(*args, **kwargs)``, which would be rejected.
    """
    if inspect.isclass(component) and component.__init__ is nn.Module.__init__:
        return []
    return list(inspect.signature(component).parameters.values())


def _type_hints(kind: str, name: str, component: Component) -> dict[str, object]:
    """Return the annotations of a function or constructor, including ``Annotated`` metadata."""
    target = component.__init__ if inspect.isclass(component) else component
    try:
        return get_type_hints(target, include_extras=True)
    except (NameError, TypeError) as error:
        raise ModelError(
            f"{kind} {name}: annotations must be types known in the file, got {error} (import them)"
        ) from None


def _check_parameter(
    kind: str, name: str, parameter: inspect.Parameter, hints: Mapping[str, object]
) -> None:
    """Raise ModelError for a parameter that a configuration cannot set or validate."""
    unsupported = (
        inspect.Parameter.VAR_POSITIONAL,
        inspect.Parameter.VAR_KEYWORD,
        inspect.Parameter.POSITIONAL_ONLY,
    )
    if parameter.kind in unsupported:
        raise ModelError(
            f"{kind} {name}: every argument must be a named keyword argument, got {parameter} "
            "(list the keyword arguments explicitly)"
        )
    if parameter.name not in hints:
        raise ModelError(
            f"{kind} {name}: every argument must be annotated, got {parameter.name} without a type "
            f"(write {parameter.name}: int, or float, bool, str)"
        )


def _as_json(kind: str, arguments: Mapping[str, object]) -> str:
    """Serialise arguments to JSON.

    Strict validation of JSON accepts a list for a tuple, as configuration files need; strict
    validation of Python values does not.
    """
    try:
        return json.dumps(arguments)
    except (TypeError, ValueError):
        bad = [key for key, value in arguments.items() if not _is_json(value)]
        raise ModelError(
            [
                f"{kind}.{key}: must be a plain value (number, string, true, false, null or a "
                f"list), got {arguments[key]!r} (convert it)"
                for key in bad
            ]
            or f"{kind}: argument names must be strings, got {list(arguments)!r} (quote them)"
        ) from None


def _is_json(value: object) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True
