"""Which machine class a sweep runs on, and what is said where a trial fits on no node."""

import re
from collections.abc import Mapping, Sequence

from genretune.tune.dispatch.run_options import Resources
from genretune.tune.errors import TuneError


def matching_class(name: str, classes: Mapping[str, list[str]]) -> str:
    """Return the one machine class that ``--machine-class`` names.

    Args:
        name: any part of its name that fits it only. A part of the bracketed list of CPU extensions
            does not count, since most machine classes share those.
        classes: the nodes of each machine class, for the message.

    Raises:
        TuneError: it fits none or several.
    """
    heads = {one: re.sub(r"\[.*?\]", "", one).lower() for one in classes}
    matching = [one for one in classes if name == one or name.lower() in heads[one]]
    if len(matching) == 1:
        return matching[0]
    listed = "; ".join(f"{one} on {', '.join(nodes)}" for one, nodes in classes.items())
    raise TuneError(
        f"--machine-class: must be part of one machine class's name, got {name} ({listed})"
    )


def misfit(resources: Resources, totals: Sequence[Mapping[str, float]]) -> TuneError:
    """Return the error that a trial fits on no node; it lists the nodes' resources."""
    listed = "; ".join(
        f"{int(total.get('CPU', 0))} CPU, {int(total.get('GPU', 0))} GPU" for total in totals
    )
    return TuneError(
        f"--resources: must fit on one node, got cpu={resources.cpu:g},gpu={resources.gpu:g} "
        f"(the cluster has {listed})"
    )
