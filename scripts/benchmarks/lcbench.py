"""Comparison of samplers and of early termination on the curves of LCBench's surrogate.

Every contender gets the same number of epochs in all on simulated workers. Its figure is the
regret of the best accuracy so far: 0 for the best of 4,000 random configurations of the task, 1 for
their median, a scale that no contender moves. Contenders are compared with ``random`` by paired
differences (same task, same seed); the interval is a bootstrap over tasks.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tabulate import tabulate

from genretune.scripts.benchmarks.lcbench_curves import (
    DEVELOPMENT,
    Surrogate,
    Task,
    lcbench_space,
)
from genretune.scripts.benchmarks.optuna_alone import PlainOptuna, Sampler, run_plain_optuna
from genretune.scripts.benchmarks.smac_alone import run_smac
from genretune.tune.errors import TuneError
from genretune.tune.sweep.simulate import simulate
from genretune.tune.sweep.state_machine import StateMachine

BUDGETS = (300, 600, 1200, 2400)
BASELINE = "random"
SMAC = "SMAC3, 1 worker"
WORKERS = 8
_START_OVERHEAD = 0.1  # seconds
_BOOTSTRAPS = 10_000

Run = Callable[[Task, int], list[float]]
"""(task, seed) -> best accuracy at each budget."""


class _EpochCounter:
    """A task that notes the best value at each budget and drains the sweep at the last."""

    def __init__(self, task: Task, state_machine: StateMachine) -> None:
        self.seconds, self.end, self.loss = task.seconds, task.end, task.loss
        self.best: list[float] = []
        self._task, self._state_machine = task, state_machine
        self._epochs, self._top = 0, 0.0

    def value(self, trial: int, parameters: Mapping[str, object], epoch: int) -> float:
        value = self._task.value(trial, parameters, epoch)
        self._epochs += 1
        self._top = max(self._top, value)
        if self._epochs in BUDGETS:
            self.best.append(self._top)
        if self._epochs == BUDGETS[-1]:
            self._state_machine.drain()
        return value


def ours(*overrides: str) -> Run:
    """Return a contender: the real state machine with these settings."""

    def run(task: Task, seed: int) -> list[float]:
        state_machine = StateMachine(lcbench_space([f"seed={seed}", *overrides]))
        counter = _EpochCounter(task, state_machine)
        simulate(state_machine, counter, WORKERS, overhead=_START_OVERHEAD)
        return counter.best

    return run


def optuna(sampler: Sampler, workers: int) -> Run:
    """Return a contender: Optuna alone, with its own pruner."""

    def run(task: Task, seed: int) -> list[float]:
        space = lcbench_space([f"seed={seed}"])
        best, _ = run_plain_optuna(
            PlainOptuna(space, sampler, workers=workers),
            space,
            task,
            workers=workers,
            epochs=BUDGETS[-1],
            overhead=_START_OVERHEAD,
        )
        return [best[budget][1] for budget in BUDGETS]

    return run


_ASHA = "early_terminate={type: asha, grace_period: %d, reduction_factor: %d, brackets: %d}"
CONTENDERS: Mapping[str, Run] = {
    BASELINE: ours(),
    "qmc": ours("sampler={type: qmc}"),
    "tpe": ours("sampler={type: tpe, lag: 16}"),
    "parzen": ours("sampler={type: parzen, lag: 16}"),
    **{
        f"parzen, grace {grace}, eta {eta}": ours(
            "sampler={type: parzen, lag: 16}", _ASHA % (grace, eta, 1)
        )
        for grace, eta in ((2, 2), (2, 4), (4, 3))
    },
    "random, arrival order": ours("early_terminate.order=arrival"),
    "random, no early termination": ours("early_terminate={type: none}"),
    **{
        f"random, grace {grace}, eta {eta}, brackets {brackets}": ours(
            _ASHA % (grace, eta, brackets)
        )
        for grace in (1, 2, 4, 6)
        for eta in (2, 3, 4)
        for brackets in (1, 2, 3)
        if (grace, eta, brackets) != (2, 3, 1)
    },
    "Optuna, 8 workers": optuna("default", 8),
    "Optuna grouped, 8 workers": optuna("grouped", 8),
    "Optuna, 1 worker": optuna("default", 1),
    "Optuna grouped, 1 worker": optuna("grouped", 1),
}
DEFAULT = (
    BASELINE,
    "qmc",
    "tpe",
    "parzen",
    *(name for name in CONTENDERS if name.startswith("Optuna")),
)


def smac(python: Path) -> Run:
    """Return a contender: SMAC3 alone, in the environment of that Python."""
    return lambda task, seed: run_smac(python, lcbench_space(), seed, task, BUDGETS)


def compare(
    folder: Path,
    names: Sequence[str],
    tasks: str,
    seeds: int,
    results: Path | None,
    *,
    smac_python: Path | None = None,
) -> dict[str, Any]:
    """Run the contenders and return their figures.

    Args:
        folder: of the surrogate.
        names: of contenders; the baseline is added.
        tasks: ``development``, ``kept``, or numbers separated by commas.
        results: a JSON lines file of runs, which are not repeated; new ones are appended.
        smac_python: adds SMAC3 of that environment.

    Raises:
        TuneError: an unknown contender or task, or no surrogate.
    """
    surrogate = Surrogate(folder)
    contenders, chosen = dict(CONTENDERS), list(dict.fromkeys((BASELINE, *names)))
    if smac_python is not None:
        contenders[SMAC] = smac(smac_python)
        chosen.append(SMAC)
    if unknown := [name for name in chosen if name not in contenders]:
        raise TuneError(f"--contenders: must be of {', '.join(contenders)}, got {unknown[0]}")
    known = _read(results)
    regrets: dict[str, list[list[list[float]]]] = {name: [] for name in chosen}
    task_names = _task_names(surrogate, tasks)
    for task_name in task_names:
        missing = [
            (name, seed)
            for name in chosen
            for seed in range(seeds)
            if (name, task_name, seed) not in known
        ]
        if missing:
            task = Task(surrogate, task_name)
            for name, seed in missing:
                regret = [task.regret(value) for value in contenders[name](task, seed)]
                known[name, task_name, seed] = regret
                _append(results, [name, task_name, seed, regret])
        for name in chosen:
            regrets[name].append([known[name, task_name, seed] for seed in range(seeds)])
    return {
        "name": "search on LCBench's surrogate",
        "tasks": task_names,
        "seeds": seeds,
        "workers": WORKERS,
        "budgets": BUDGETS,
        "contenders": {name: figures(regrets[name], regrets[BASELINE]) for name in chosen},
    }


def figures(
    regret_TSB: Sequence[Sequence[Sequence[float]]], base_TSB: Sequence[Sequence[Sequence[float]]]
) -> dict[str, list[float]]:
    """Return the mean regret, and that of the baseline minus it with a 95 % interval.

    Args:
        regret_TSB: by task, seed and budget.
        base_TSB: of the baseline, likewise.
    """
    regret, base = np.array(regret_TSB), np.array(base_TSB)
    ahead_TB = (base - regret).mean(axis=1)
    rng = np.random.default_rng(0)
    picks = rng.integers(0, len(ahead_TB), (_BOOTSTRAPS, len(ahead_TB)))
    low, high = np.quantile(ahead_TB[picks].mean(axis=1), (0.025, 0.975), axis=0)
    return {
        "regret": regret.mean(axis=(0, 1)).tolist(),
        "ahead_of_random": ahead_TB.mean(axis=0).tolist(),
        "low": low.tolist(),
        "high": high.tolist(),
    }


def print_comparison(facts: Mapping[str, Any]) -> None:
    """Print the result of ``compare`` as a table."""
    print(
        f"regret on LCBench's surrogate, mean of {len(facts['tasks'])} tasks x {facts['seeds']} "
        f"seeds, {facts['workers']} workers; below it random's regret minus the contender's, and "
        "its 95 % interval over tasks\n"
    )
    rows = []
    for name, one in facts["contenders"].items():
        rows.append([name, *(f"{regret:.3f}" for regret in one["regret"])])
        if name != BASELINE:
            ahead = zip(one["ahead_of_random"], one["low"], one["high"], strict=True)
            rows.append(
                ["", *(f"{mean:+.3f} ({low:+.3f} {high:+.3f})" for mean, low, high in ahead)]
            )
    headers = ["contender", *(f"{budget} epochs" for budget in facts["budgets"])]
    print(tabulate(rows, headers=headers, disable_numparse=True))


def _task_names(surrogate: Surrogate, tasks: str) -> list[str]:
    if tasks == "development":
        return list(DEVELOPMENT)
    if tasks == "kept":
        return [name for name in surrogate.tasks if name not in DEVELOPMENT]
    names = tasks.split(",")
    if unknown := [name for name in names if name not in surrogate.tasks]:
        raise TuneError(f"--tasks: must be of {', '.join(surrogate.tasks)}, got {unknown[0]}")
    return names


def _read(results: Path | None) -> dict[tuple[str, str, int], list[float]]:
    if results is None or not results.exists():
        return {}
    lines: Iterable[Any] = map(json.loads, results.read_text().splitlines())
    return {(name, task, seed): regret for name, task, seed, regret in lines}


def _append(results: Path | None, line: list[Any]) -> None:
    if results is not None:
        with results.open("a") as file:
            file.write(json.dumps(line) + "\n")
