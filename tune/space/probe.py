"""A few configurations of a space that cover every categorical value and the ends of ranges."""

from genretune.tune.space.distributions import Values
from genretune.tune.space.space import Space
from genretune.tune.space.tree import (
    Choice,
    Constant,
    FlatConfig,
    ListNode,
    MappingNode,
    Node,
    flatten,
)


def probe_configurations(space: Space) -> list[FlatConfig]:
    """Return configurations that cover every categorical value and both ends of every range.

    They combine values in step, not every pair of values: as many configurations as the parameter
    with the most values has.
    """
    values = [_values_to_probe(node) for _, node in space.parameters]
    return [
        {
            name: part
            for (key, _), value in zip(space.parameters, row, strict=True)
            for name, part in flatten(key, value)
        }
        for row in _zip_cycled(values)
    ]


def _values_to_probe(node: Node) -> list[object]:
    """Return every categorical value of a node; both ends and the middle of a range."""
    match node:
        case Constant(value=value):
            return [value]
        case Choice(options=options):
            return [value for option in options for value in _values_to_probe(option)]
        case ListNode(items=items):
            rows = _zip_cycled([_values_to_probe(item) for item in items])
            return [list(row) for row in rows]
        case MappingNode(items=items):
            keys = [key for key, _ in items]
            rows = _zip_cycled([_values_to_probe(item) for _, item in items])
            return [dict(zip(keys, row, strict=True)) for row in rows]
        case _:
            distribution = node.distribution
            if isinstance(distribution, Values):
                return list(distribution.values)
            return [
                distribution.from_unit(0.0),
                distribution.from_unit(0.5),
                distribution.from_unit(1.0 - 2**-53),  # the largest number below 1
            ]


def _zip_cycled(columns: list[list[object]]) -> list[tuple[object, ...]]:
    """Zip columns, repeating the shorter ones; one empty row without columns."""
    length = max((len(column) for column in columns), default=1)
    return [tuple(column[k % len(column)] for column in columns) for k in range(length)]
