"""Tasks that run on one particular node."""

from collections.abc import Callable
from typing import Any


def submit_to_node(
    node_id: str,
    function: Callable[..., Any],
    *arguments: Any,
    soft: bool = False,
    own_process: bool = False,
) -> Any:
    """Submit a call of ``function`` to a node; return Ray's reference to its result.

    It reserves no CPU, so it starts even while trials occupy the node.

    Args:
        soft: run it on another node if this one has left.
        own_process: end the process afterwards, lest it hold a GPU's memory while it idles.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    strategy: Any = NodeAffinitySchedulingStrategy(node_id, soft=soft)
    task: Any = ray.remote(max_calls=1)(function) if own_process else ray.remote(function)
    return task.options(num_cpus=0, max_retries=2, scheduling_strategy=strategy).remote(*arguments)
