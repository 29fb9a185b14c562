"""The swept part of a space: parameters, lists of parameters and choices between mappings.

A configuration of it is *flat*: dotted key -> value. A choice contributes every leaf of the
option that was taken, constants included, so that the flat form alone says which option it was:
``{"lr_scheduler.name": "LinearLR", "lr_scheduler.end_factor": 0.2}``.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from genretune.tune.space.distributions import Distribution, same

Flat = dict[str, object]


@dataclass(frozen=True)
class Constant:
    """A value that does not vary; stands inside choices and lists only."""

    value: object


@dataclass(frozen=True)
class Parameter:
    """One swept value; ``dimension`` is its name among all draws of the space."""

    dimension: str
    distribution: Distribution


@dataclass(frozen=True)
class Listed:
    """A list with swept items, for example one reduction per stage."""

    items: tuple["Node", ...]


@dataclass(frozen=True)
class Mapped:
    """Keys of one option; keys are single words."""

    items: tuple[tuple[str, "Node"], ...]


@dataclass(frozen=True)
class Choice:
    """One of several options; what is swept inside an option exists only where it is taken."""

    dimension: str
    options: tuple["Node", ...]


Node = Constant | Parameter | Listed | Mapped | Choice


@dataclass(frozen=True)
class Dimension:
    """One draw: a distribution, or a choice between ``options`` things."""

    name: str
    distribution: Distribution | None
    options: int


def dimensions(node: Node) -> Iterator[Dimension]:
    """Every draw of the tree in the order of the file, those of all options included."""
    if isinstance(node, Parameter):
        yield Dimension(node.dimension, node.distribution, 0)
    elif isinstance(node, Choice):
        yield Dimension(node.dimension, None, len(node.options))
        for option in node.options:
            yield from dimensions(option)
    elif isinstance(node, Listed):
        for item in node.items:
            yield from dimensions(item)
    elif isinstance(node, Mapped):
        for _, item in node.items:
            yield from dimensions(item)


def conditional(node: Node) -> int:
    """How many draws exist only where their option is taken."""
    if isinstance(node, Choice):
        return sum(1 for option in node.options for _ in dimensions(option))
    if isinstance(node, Listed | Mapped):
        return sum(conditional(child) for child in _children(node))
    return 0


def resolve(node: Node, pick: Callable[[Parameter | Choice], object]) -> object:
    """The node's value, nested; ``pick`` gives a parameter's value and a choice's option."""
    if isinstance(node, Constant):
        return node.value
    if isinstance(node, Parameter):
        return pick(node)
    if isinstance(node, Choice):
        option = pick(node)
        if not isinstance(option, int):
            raise TypeError(f"{node.dimension}: pick must return an option's index")
        return resolve(node.options[option], pick)
    if isinstance(node, Listed):
        return [resolve(item, pick) for item in node.items]
    return {key: resolve(item, pick) for key, item in node.items}


def size(node: Node) -> int | None:
    """How many configurations there are; None where a range is continuous."""
    if isinstance(node, Constant):
        return 1
    if isinstance(node, Parameter):
        return node.distribution.size()
    if isinstance(node, Choice):
        total = 0
        for option in node.options:
            part = size(option)
            if part is None:
                return None
            total += part
        return total
    product = 1
    for child in _children(node):
        part = size(child)
        if part is None:
            return None
        product *= part
    return product


def nth(node: Node, index: int) -> object:
    """The index-th configuration of a finite node.

    Keys in the order of the file, the last one turning fastest; a choice goes through its first
    option whole before the second.
    """
    if isinstance(node, Constant):
        return node.value
    if isinstance(node, Parameter):
        return node.distribution.nth(index)
    if isinstance(node, Choice):
        for option in node.options:
            part = size(option) or 0
            if index < part:
                return nth(option, index)
            index -= part
        raise IndexError(node.dimension)
    values: list[object] = []
    for child in reversed(_children(node)):
        index, position = divmod(index, size(child) or 1)
        values.append(nth(child, position))
    values.reverse()
    if isinstance(node, Listed):
        return values
    return {key: value for (key, _), value in zip(node.items, values, strict=True)}


def match(node: Node, value: object, found: dict[str, object]) -> bool:
    """Whether the nested value is one of the node's; fills dimension -> value or option index."""
    if isinstance(node, Constant):
        return same(node.value, value)
    if isinstance(node, Parameter):
        if not node.distribution.holds(value):
            return False
        found[node.dimension] = value
        return True
    if isinstance(node, Choice):
        for index, option in enumerate(node.options):
            inside: dict[str, object] = {}
            if match(option, value, inside):
                found[node.dimension] = index
                found.update(inside)
                return True
        return False
    if isinstance(node, Listed):
        return (
            isinstance(value, list)
            and len(value) == len(node.items)
            and all(match(item, part, found) for item, part in zip(node.items, value, strict=True))
        )
    return (
        isinstance(value, Mapping)
        and value.keys() == {key for key, _ in node.items}
        and all(match(item, value[key], found) for key, item in node.items)
    )


def flatten(prefix: str, value: object) -> Iterator[tuple[str, object]]:
    """Leaves by dotted key; an empty mapping is a leaf."""
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from flatten(f"{prefix}.{key}" if prefix else str(key), item)
    else:
        yield prefix, value


def as_json(node: Node) -> object:
    """The node as it would be written in a space file."""
    if isinstance(node, Constant):
        return node.value
    if isinstance(node, Parameter):
        return node.distribution.as_json()
    if isinstance(node, Choice):
        return {"choice": [as_json(option) for option in node.options]}
    if isinstance(node, Listed):
        return [as_json(item) for item in node.items]
    return {key: as_json(item) for key, item in node.items}


def _children(node: Listed | Mapped) -> tuple[Node, ...]:
    if isinstance(node, Listed):
        return node.items
    return tuple(item for _, item in node.items)
