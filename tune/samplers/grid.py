"""Every configuration once, in an order that the file defines (see ``tree.nth``)."""

from genretune.tune.space.space import Space
from genretune.tune.space.tree import Flat, Node, flatten, nth, size


def configuration(space: Space, index: int) -> Flat:
    """The index-th configuration: the last key of the file turns fastest.

    Raises:
        IndexError: the grid has fewer.
    """
    if not 0 <= index < (space.size() or 0):
        raise IndexError(f"the grid has {space.size()} configurations, got {index}")
    parts: list[tuple[str, object]] = []
    nodes: tuple[tuple[str, Node], ...] = space.parameters
    for key, node in reversed(nodes):
        index, position = divmod(index, size(node) or 1)
        parts.append((key, nth(node, position)))
    return {name: value for key, value in reversed(parts) for name, value in flatten(key, value)}
