"""Named components and their keyword arguments, checked before anything is built.

A component is a callable in a plain table NAME -> callable. Its annotated keyword signature is
the whole description of its arguments: ``Annotated[int, Field(ge=1)]`` states a rule, the default
value states the default. Parameters named in ``context`` (``classes``, ``input_shape``, ...) are
supplied by the program, and those bound by ``functools.partial`` are settled by the table; neither
is the user's to give.
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
from genretune.models.schema_text import in_words, show

Component = Callable[..., object]

REQUIRED: Final = inspect.Parameter.empty


@dataclass(frozen=True)
class Argument:
    """One argument of a component: its name, its rule in words, its default."""

    name: str
    rule: str
    default: object
    required: bool


def resolve(
    kind: str,
    table: Mapping[str, Component],
    given: Mapping[str, object],
    *,
    context: Collection[str] = (),
) -> dict[str, object]:
    """Check a component's name and arguments and write all defaults out.

    Args:
        kind: how the user calls it, as in ``model`` or ``lr_scheduler``; begins every message.
        table: the components to choose from.
        given: ``name`` and keyword arguments, plain JSON values.
        context: parameters that the program supplies.

    Returns:
        ``{"name": ..., argument: value, ...}`` in the order of the signature, JSON values only.
        Resolving the result again gives the same.

    Raises:
        ModelError: with one line for each problem, all at once.
    """
    name = lookup(kind, table, given.get("name"))
    user = {key: value for key, value in given.items() if key != "name"}
    schema = _schema(kind, name, table[name], frozenset(context))
    text = _as_json(kind, user)
    try:
        checked = schema.model_validate_json(text)
    except ValidationError as error:
        raise ModelError(problems(name, kind, schema, user, context, error)) from None
    return {"name": name, **checked.model_dump(mode="json", by_alias=True)}


def lookup(kind: str, table: Mapping[str, Component], name: object) -> str:
    """Return ``name`` if the table has it.

    Raises:
        ModelError: naming the choices and the closest one.
    """
    if isinstance(name, str) and name in table:
        return name
    choices = ", ".join(table) or "none"
    close = closest_name(name, table) if isinstance(name, str) else None
    hint = f"did you mean '{close}'? choose from {choices}" if close else f"choose from {choices}"
    got = "nothing" if name is None else show(name)
    raise ModelError(f"{kind}.name: must be the name of a known {kind}, got {got} ({hint})")


def construct(
    kind: str,
    table: Mapping[str, Component],
    given: Mapping[str, object],
    context: Mapping[str, object],
) -> object:
    """Resolve ``given`` and call the component with it and with the context it asks for.

    Raises:
        ModelError: for bad arguments; what the component itself raises passes through.
    """
    config = resolve(kind, table, given, context=context)
    component = table[str(config["name"])]
    wanted = inspect.signature(component).parameters
    supplied = {key: value for key, value in context.items() if key in wanted}
    arguments = {key: value for key, value in config.items() if key != "name"}
    return component(**arguments, **supplied)


def schema(
    kind: str, table: Mapping[str, Component], name: str, *, context: Collection[str] = ()
) -> tuple[Argument, ...]:
    """List a component's arguments with their rules and defaults, in order of the signature.

    Raises:
        ModelError: for an unknown name, or a signature that cannot be described.
    """
    name = lookup(kind, table, name)
    model = _schema(kind, name, table[name], frozenset(context))
    properties = model.model_json_schema(by_alias=True).get("properties", {})
    return tuple(
        Argument(
            name=str(field.alias),
            rule=in_words(properties[field.alias]),
            default=None if field.is_required() else field.get_default(),
            required=field.is_required(),
        )
        for field in model.model_fields.values()
    )


@lru_cache(maxsize=512)
def _schema(kind: str, name: str, component: Component, context: frozenset[str]) -> type[BaseModel]:
    """Build the pydantic model of a component's arguments from its signature."""
    bound: set[str] = set()
    plain = component
    while isinstance(plain, partial):
        bound |= set(plain.keywords)
        plain = plain.func
    hints = _hints(kind, name, plain)
    fields: dict[str, Any] = {}
    for parameter in _parameters(component):
        if parameter.name in context or parameter.name in bound:
            continue
        _refuse_undescribed(kind, name, parameter, hints)
        default = ... if parameter.default is REQUIRED else parameter.default
        # Field names of our own, so that no argument can collide with a pydantic attribute.
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
    """Return a component's parameters; a module without a constructor of its own has none."""
    if inspect.isclass(component) and component.__init__ is nn.Module.__init__:
        return []
    return list(inspect.signature(component).parameters.values())


def _hints(kind: str, name: str, component: Component) -> dict[str, object]:
    """Return the annotations of a function, or of a class's constructor, with their rules."""
    target = component.__init__ if inspect.isclass(component) else component
    try:
        return get_type_hints(target, include_extras=True)
    except (NameError, TypeError) as error:
        raise ModelError(
            f"{kind} {name}: annotations must be types that the file knows, got {error} "
            "(import them)"
        ) from None


def _refuse_undescribed(
    kind: str, name: str, parameter: inspect.Parameter, hints: Mapping[str, object]
) -> None:
    """Raise ModelError for a parameter that a configuration could not state or check."""
    open_ended = (
        inspect.Parameter.VAR_POSITIONAL,
        inspect.Parameter.VAR_KEYWORD,
        inspect.Parameter.POSITIONAL_ONLY,
    )
    if parameter.kind in open_ended:
        raise ModelError(
            f"{kind} {name}: every argument must have a name of its own, got {parameter} "
            "(write the keyword arguments out)"
        )
    if parameter.name not in hints:
        raise ModelError(
            f"{kind} {name}: every argument must be annotated, got {parameter.name} without a type "
            f"(write {parameter.name}: int, or float, bool, str)"
        )


def _as_json(kind: str, user: Mapping[str, object]) -> str:
    """Turn arguments into JSON, the form in which a configuration is kept and checked."""
    try:
        return json.dumps(user)
    except (TypeError, ValueError):
        bad = [key for key, value in user.items() if not _is_json(value)]
        raise ModelError(
            [
                f"{kind}.{key}: must be a plain value (number, text, true, false, null or a list), "
                f"got {user[key]!r} (convert it)"
                for key in bad
            ]
            or f"{kind}: the names of arguments must be texts, got {list(user)!r} (quote them)"
        ) from None


def _is_json(value: object) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True
