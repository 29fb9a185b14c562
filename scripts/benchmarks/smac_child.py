"""SMAC3 in a process and an environment of its own; asks its parent for values line by line.

Run by ``smac_alone.py`` with the Python that has SMAC3, so it imports nothing of genretune. On
standard input: a line with the space, then one with the cost of each configuration asked for.
"""

import json
import sys
import tempfile
from typing import Any


def main() -> None:
    """Search until the parent closes the pipe."""
    from ConfigSpace import ConfigurationSpace, Float, Integer
    from smac import MultiFidelityFacade, Scenario

    setup = json.loads(sys.stdin.readline())
    space = ConfigurationSpace(seed=setup["seed"])
    for name, (kind, low, high, log) in setup["parameters"].items():
        make = Integer if kind == "int" else Float
        space.add(make(name, (low, high), log=log))

    def evaluate(config: Any, seed: int = 0, budget: float = 0.0) -> float:
        print(json.dumps({"parameters": dict(config), "epochs": round(budget)}), flush=True)
        line = sys.stdin.readline()
        if not line:
            sys.exit()
        return float(json.loads(line))

    with tempfile.TemporaryDirectory() as folder:
        scenario = Scenario(
            space,
            deterministic=True,
            min_budget=setup["min_epochs"],
            max_budget=setup["max_epochs"],
            n_trials=1_000_000,
            seed=setup["seed"],
            output_directory=folder,
        )
        intensifier = MultiFidelityFacade.get_intensifier(scenario, eta=setup["factor"])
        facade = MultiFidelityFacade(
            scenario, evaluate, intensifier=intensifier, overwrite=True, logging_level=40
        )
        facade.optimize()


if __name__ == "__main__":
    main()
