"""SMAC3 with its multi-fidelity facade (a random forest under Hyperband), on one worker.

Lindauer et al. 2022, https://www.jmlr.org/papers/v23/21-0888.html. It lives in a Python of its own,
which needs ``pip install smac`` and nothing of genretune.
"""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

from genretune.tune.errors import TuneError
from genretune.tune.space.distributions import Range
from genretune.tune.space.settings import Asha
from genretune.tune.space.space import Space
from genretune.tune.sweep.simulate import TrialBehaviour

_CHILD = Path(__file__).with_name("smac_child.py")


def run_smac(
    python: Path, space: Space, seed: int, task: TrialBehaviour, budgets: tuple[int, ...]
) -> list[float]:
    """Return the best value after each number of epochs in all, for a metric that is maximised.

    A configuration that is asked for again with more epochs is trained on from those it has.

    Args:
        python: of an environment with SMAC3.

    Raises:
        TuneError: it has no SMAC3.
    """
    best: list[float] = []
    spent, top = 0, 0.0
    trained: dict[str, tuple[int, float]] = {}
    with subprocess.Popen(
        [python, _CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdin is not None and child.stdout is not None
        print(json.dumps(_setup(space, seed)), file=child.stdin, flush=True)
        while len(best) < len(budgets):
            line = child.stdout.readline()
            if not line:
                raise TuneError(f"--smac: must be a Python with SMAC3, got {python}")
            request = json.loads(line)
            key = json.dumps(request["parameters"], sort_keys=True)
            epochs, reached = trained.get(key, (0, 0.0))
            for epoch in range(epochs + 1, request["epochs"] + 1):
                reached = max(reached, task.value(0, request["parameters"], epoch))
                spent, top = spent + 1, max(top, reached)
                if spent in budgets:
                    best.append(top)
            trained[key] = (max(epochs, request["epochs"]), reached)
            print(json.dumps(1.0 - reached), file=child.stdin, flush=True)
        child.kill()
    return best


def _setup(space: Space, seed: int) -> Mapping[str, object]:
    early = space.early_terminate
    if not isinstance(early, Asha):
        raise TypeError(f"early_terminate.type: must be asha, got {early.type}")
    parameters = {}
    for dimension in space.dimensions():
        one = dimension.distribution
        if not isinstance(one, Range):
            raise TypeError(f"{dimension.name}: must be a range, got {one}")
        parameters[dimension.name] = ("int" if one.integer else "float", one.low, one.high, one.log)
    return {
        "seed": seed,
        "parameters": parameters,
        "min_epochs": early.grace_period,
        "max_epochs": space.epochs,
        "factor": early.reduction_factor,
    }
