"""The swept part of a space: a tree of parameters, lists of parameters and choices.

A configuration is *flat*: dotted key -> value. A choice contributes every leaf of the option that
was taken, constants included, so the flat form alone identifies the option:
``{"lr_scheduler.name": "LinearLR", "lr_scheduler.end_factor": 0.2}``.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from genretune.tune.space.distributions import Distribution, strictly_equal

FlatConfig = dict[str, object]


@dataclass(frozen=True)
class Constant:
    """A value that is not swept; occurs only inside choices and lists."""

    value: object


@dataclass(frozen=True)
class Parameter:
    """One swept value; ``dimension`` is its unique name in the space."""

    dimension: str
    distribution: Distribution


@dataclass(frozen=True)
class ListNode:
    """A list with swept items, for example one reduction per stage."""

    items: tuple["Node", ...]


@dataclass(frozen=True)
class MappingNode:
    """The keys of one option; no key contains a dot."""

    items: tuple[tuple[str, "Node"], ...]


@dataclass(frozen=True)
class Choice:
    """One of several options; parameters inside an option exist only if it is taken."""

    dimension: str
    options: tuple["Node", ...]


Node = Constant | Parameter | ListNode | MappingNode | Choice


@dataclass(frozen=True)
class Dimension:
    """One random draw: of a parameter's value or of a choice's option.

    Attributes:
        name: unique in the space; random streams are seeded by it.
        distribution: None for a choice.
        options: number of options of a choice; 0 for a parameter.
    """

    name: str
    distribution: Distribution | None
    options: int


def dimensions(node: Node) -> Iterator[Dimension]:
    """Yield the dimensions of the node in the order of the file, including every option's."""
    if isinstance(node, Parameter):
        yield Dimension(node.dimension, node.distribution, 0)
    elif isinstance(node, Choice):
        yield Dimension(node.dimension, None, len(node.options))
        for option in node.options:
            yield from dimensions(option)
    elif isinstance(node, ListNode):
        for item in node.items:
            yield from dimensions(item)
    elif isinstance(node, MappingNode):
        for _, item in node.items:
            yield from dimensions(item)


def conditional(node: Node) -> int:
    """Return the number of dimensions that exist only if their option is taken."""
    if isinstance(node, Choice):
        return sum(1 for option in node.options for _ in dimensions(option))
    if isinstance(node, ListNode | MappingNode):
        return sum(conditional(child) for child in _children(node))
    return 0


def resolve(node: Node, pick: Callable[[Parameter | Choice], object]) -> object:
    """Return the node's nested value.

    Args:
        pick: returns the value of a parameter, or the option's index of a choice.
    """
    if isinstance(node, Constant):
        return node.value
    if isinstance(node, Parameter):
        return pick(node)
    if isinstance(node, Choice):
        option = pick(node)
        if not isinstance(option, int):
            raise TypeError(f"{node.dimension}: must be the index of an option, got {option!r}")
        return resolve(node.options[option], pick)
    if isinstance(node, ListNode):
        return [resolve(item, pick) for item in node.items]
    return {key: resolve(item, pick) for key, item in node.items}


def with_distributions(node: Node, change: Callable[[Distribution], Distribution]) -> Node:
    """Return the node with ``change`` applied to every distribution."""
    if isinstance(node, Constant):
        return node
    if isinstance(node, Parameter):
        return Parameter(node.dimension, change(node.distribution))
    if isinstance(node, Choice):
        options = tuple(with_distributions(option, change) for option in node.options)
        return Choice(node.dimension, options)
    if isinstance(node, ListNode):
        return ListNode(tuple(with_distributions(item, change) for item in node.items))
    return MappingNode(tuple((key, with_distributions(item, change)) for key, item in node.items))


def size(node: Node) -> int | None:
    """Return the number of configurations; None if a range is continuous."""
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


def finite_size(node: Node) -> int:
    """Return the number of configurations of a finite node.

    Raises:
        ValueError: a range is continuous.
    """
    count = size(node)
    if count is None:
        raise ValueError(f"must be finite to be enumerated, got {as_json(node)}")
    return count


def nth(node: Node, index: int) -> object:
    """Return the index-th configuration of a finite node.

    Keys are in the order of the file and the last one varies fastest. All configurations of a
    choice's first option come before those of the second.

    Raises:
        IndexError: a choice has fewer configurations.
        ValueError: a range is continuous.
    """
    if isinstance(node, Constant):
        return node.value
    if isinstance(node, Parameter):
        return node.distribution.nth(index)
    if isinstance(node, Choice):
        remaining = index
        for option in node.options:
            count = finite_size(option)
            if remaining < count:
                return nth(option, remaining)
            remaining -= count
        raise IndexError(f"{node.dimension}: must be a configuration of the choice, got {index}")
    # a number in mixed radix: each child's size is the base of its digit, the last child's lowest
    values: list[object] = []
    for child in reversed(_children(node)):
        index, digit = divmod(index, finite_size(child))
        values.append(nth(child, digit))
    values.reverse()
    if isinstance(node, ListNode):
        return values
    return {key: value for (key, _), value in zip(node.items, values, strict=True)}


def decode(node: Node, value: object, *, partial: bool = False) -> dict[str, object] | None:
    """Return dimension -> value (the option's index for a choice) of a nested value.

    None if the value is not one of the node's. Of several options that match, the first is taken.

    Args:
        partial: mappings may lack keys, whose dimensions are then left out.
    """
    if isinstance(node, Constant):
        return {} if strictly_equal(node.value, value) else None
    if isinstance(node, Parameter):
        return {node.dimension: value} if node.distribution.contains(value) else None
    if isinstance(node, Choice):
        for index, option in enumerate(node.options):
            inside = decode(option, value, partial=partial)
            if inside is not None:
                return {node.dimension: index, **inside}
        return None
    pairs: list[tuple[Node, object]]
    if isinstance(node, ListNode):
        if not isinstance(value, list) or len(value) != len(node.items):
            return None
        pairs = list(zip(node.items, value, strict=True))
    else:
        keys = {key for key, _ in node.items}
        if not isinstance(value, Mapping) or not value.keys() <= keys:
            return None
        if not partial and value.keys() != keys:
            return None
        pairs = [(item, value[key]) for key, item in node.items if key in value]
    result: dict[str, object] = {}
    for child, part in pairs:
        inside = decode(child, part, partial=partial)
        if inside is None:
            return None
        result.update(inside)
    return result


def flatten(prefix: str, value: object) -> Iterator[tuple[str, object]]:
    """Yield (dotted key, leaf); an empty mapping is a leaf."""
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from flatten(f"{prefix}.{key}" if prefix else str(key), item)
    else:
        yield prefix, value


def as_json(node: Node) -> object:
    """Return the node as it would be written in a space file."""
    if isinstance(node, Constant):
        return node.value
    if isinstance(node, Parameter):
        return node.distribution.as_json()
    if isinstance(node, Choice):
        return {"choice": [as_json(option) for option in node.options]}
    if isinstance(node, ListNode):
        return [as_json(item) for item in node.items]
    return {key: as_json(item) for key, item in node.items}


def _children(node: ListNode | MappingNode) -> tuple[Node, ...]:
    if isinstance(node, ListNode):
        return node.items
    return tuple(item for _, item in node.items)
