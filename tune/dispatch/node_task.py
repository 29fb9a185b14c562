"""A task for one particular node."""

from collections.abc import Callable
from typing import Any


def on_node(node: str, function: Callable[..., Any], *arguments: Any, soft: bool = False) -> Any:
    """Run a function on the node with this id, whatever else runs there; Ray's reference.

    Args:
        soft: run it elsewhere if the node has gone.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    where: Any = NodeAffinitySchedulingStrategy(node, soft=soft)
    task: Any = ray.remote(function)
    return task.options(num_cpus=0, max_retries=2, scheduling_strategy=where).remote(*arguments)
