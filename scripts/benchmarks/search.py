"""Benchmark of index order against arrival order and of samplers, on a simulated clock.

1. Utilisation, makespan and time to a given quality of index order against arrival order, with
   and without tpe's lag (configurations are random here, so that only the waiting differs).
2. Best value at equal epochs: tpe at lag 16 on 16 workers, random, and plain Optuna with its own
   pruner on 1 and on 16 workers; mean and 95 % interval over seeds, and the makespan.
3. Speed: a sweep of 10,000 trials on 512 workers; a suggestion of tpe after 1,000 trials, and of
   parzen after 10,000.

With a folder of LCBench's surrogate instead: the comparison of ``lcbench.py``.
"""

import argparse
import json
import math
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tabulate import tabulate

from genretune.scripts.benchmarks import lcbench
from genretune.scripts.benchmarks.curves import Curves, accuracy, space
from genretune.scripts.benchmarks.optuna_alone import PlainOptuna, run_plain_optuna
from genretune.tune.errors import TuneError
from genretune.tune.samplers import random_search
from genretune.tune.samplers.history import Observation
from genretune.tune.samplers.sampler import build_sampler
from genretune.tune.sweep.simulate import simulate
from genretune.tune.sweep.state_machine import StateMachine

OPTUNA = "Optuna, 1 worker"
QUALITY = 0.88
BUDGETS = (200, 400, 600, 800)
_START_OVERHEAD = 0.1  # of a segment, in epochs of mean length
_RANDOM = "sampler={type: random}"
_PARZEN = "sampler={type: parzen, lag: 16}"


def main(argv: list[str]) -> int:
    """Print tables, or with ``--json`` one object."""
    options = _parse(argv)
    if options.lcbench is not None:
        return _lcbench(options)
    options.seeds = options.seeds or 30
    waiting = [
        measure_waiting(workers, mixed, lag, seeds=min(options.seeds, 10))
        for workers in (16, 64)
        for mixed in (1.0, 5.0)
        for lag in (None, 1, 2)
    ]
    quality = compare_samplers(range(options.first, options.first + options.seeds))
    speed = {
        "sweep_10000_512_s": sweep_seconds(10_000, 512),
        "tpe_1000_s": suggestion_seconds("tpe", 1000),
        "parzen_10000_s": suggestion_seconds("parzen", 10_000),
    }
    if options.json:
        print(json.dumps(_facts(waiting, quality, speed), indent=1, allow_nan=False))
    else:
        _print(waiting, quality, speed)
    return 0


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench search", description=__doc__)
    parser.add_argument("lcbench", nargs="?", type=Path, help="a folder of LCBench's surrogate")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seeds", type=int, help="default: 30, with LCBench 5")
    parser.add_argument("--first", type=int, default=0, help="first seed of the samplers")
    with_lcbench = parser.add_argument_group("with LCBench")
    with_lcbench.add_argument("--contenders", help="names separated by semicolons, or all")
    with_lcbench.add_argument("--tasks", default="development", help="development, kept, numbers")
    with_lcbench.add_argument("--results", type=Path, help="keep runs here; those in it are reused")
    with_lcbench.add_argument(
        "--smac", type=Path, metavar="PYTHON", help="add SMAC3, of that Python's environment"
    )
    return parser.parse_args(argv)


def _lcbench(options: argparse.Namespace) -> int:
    names: Sequence[str] = lcbench.DEFAULT
    if options.contenders is not None:
        everyone = options.contenders == "all"
        names = list(lcbench.CONTENDERS) if everyone else options.contenders.split(";")
    try:
        facts = lcbench.compare(
            options.lcbench,
            names,
            options.tasks,
            options.seeds or 5,
            options.results,
            smac_python=options.smac,
        )
    except TuneError as error:
        print(error, file=sys.stderr)
        return 2
    if options.json:
        print(json.dumps(facts, indent=1, allow_nan=False))
    else:
        lcbench.print_comparison(facts)
    return 0


def measure_waiting(workers: int, mixed: float, lag: int | None, *, seeds: int) -> dict[str, Any]:
    """Compare index order with arrival order, at 8 trials per worker.

    Args:
        mixed: factor by which an epoch of the larger networks takes longer.
        lag: in multiples of the workers; None for a sampler that needs no values.
    """
    sampler = _RANDOM
    if lag is not None:
        sampler = f"sampler={{type: tpe, lag: {lag * workers}, n_startup: 1000000}}"
    row: dict[str, Any] = {"workers": workers, "mixed": mixed, "lag": lag}
    for order in ("index", "arrival"):
        runs = []
        for seed in range(seeds):
            rule, size = f"early_terminate.order={order}", f"trials={8 * workers}"
            state_machine = StateMachine(space(sampler, rule, size, f"seed={seed}"))
            world = Curves(clock=seed, mixed=mixed)
            runs.append(simulate(state_machine, world, workers, overhead=_START_OVERHEAD))
        times = [next((at for at, _, v in r.best if v >= QUALITY), r.seconds) for r in runs]
        row[order] = {
            "utilisation": statistics.mean(r.utilisation(workers) for r in runs),
            "makespan": statistics.mean(r.seconds for r in runs),
            "to_quality": statistics.mean(times),
            "epochs": statistics.mean(r.epochs for r in runs),
        }
    return row


def compare_samplers(seeds: Sequence[int]) -> dict[str, dict[str, Any]]:
    """Return best values at equal epochs, and the makespan in epochs of mean length."""
    runs_by_name: dict[str, list[tuple[list[float], float]]] = {
        "tpe, lag 16, 16 workers": [_run_genretune(seed) for seed in seeds],
        "tpe, lag 1, 1 worker": [
            _run_genretune(seed, "sampler.lag=1", workers=1) for seed in seeds
        ],
        "parzen, lag 16, 16 workers": [_run_genretune(seed, _PARZEN) for seed in seeds],
        "random, 16 workers": [_run_genretune(seed, _RANDOM) for seed in seeds],
        "Optuna, 16 workers": [_run_plain_optuna(seed, 16) for seed in seeds],
        OPTUNA: [_run_plain_optuna(seed) for seed in seeds],
    }
    return {
        name: {
            "best": [_mean([bests[k] for bests, _ in runs]) for k in range(len(BUDGETS))],
            "interval": [_interval([bests[k] for bests, _ in runs]) for k in range(len(BUDGETS))],
            "makespan": _mean([seconds for _, seconds in runs]),
            "runs": [bests for bests, _ in runs],
        }
        for name, runs in runs_by_name.items()
    }


def sweep_seconds(trials: int, workers: int) -> float:
    """Return the real seconds of a simulated sweep."""
    started = time.perf_counter()
    simulate(StateMachine(space(_RANDOM, f"trials={trials}")), Curves(), workers)
    return time.perf_counter() - started


def suggestion_seconds(sampler: str, trials: int) -> float:
    """Return the real seconds of a suggestion after ``trials`` trials, the last 16 pending.

    The mean of ten: parzen draws some at random, which takes no time.
    """
    searched = space(f"sampler={{type: {sampler}}}")
    history = []
    for trial in range(trials):
        parameters = random_search.draw(searched, trial, 0)
        value = accuracy(parameters, 3)
        known = trial < trials - 16 and math.isfinite(value)
        observation = Observation(parameters)
        if known:
            observation = Observation(parameters, "value", value, 2 + 4 * (trial % 3 == 0))
        history.append(observation)
    built = build_sampler(searched)
    for trial in range(trials, trials + 4):
        built.configuration(trial, 0, history)  # what is kept between suggestions is there now
    started = time.perf_counter()
    for trial in range(trials + 4, trials + 14):
        built.configuration(trial, 0, history)
    return (time.perf_counter() - started) / 10


def _run_genretune(seed: int, *overrides: str, workers: int = 16) -> tuple[list[float], float]:
    """Return (best value at each budget, seconds until the last budget was spent)."""
    state_machine = StateMachine(space(f"seed={seed}", *overrides))
    result = simulate(state_machine, Curves(clock=seed), workers, overhead=_START_OVERHEAD)
    makespan = result.seconds * min(1.0, BUDGETS[-1] / result.epochs)
    return _at_budgets([(epochs, value) for _, epochs, value in result.best]), makespan


def _run_plain_optuna(seed: int, workers: int = 1) -> tuple[list[float], float]:
    searched = space(f"seed={seed}")
    best, seconds = run_plain_optuna(
        PlainOptuna(searched),
        searched,
        Curves(clock=seed),
        workers=workers,
        epochs=BUDGETS[-1],
        overhead=_START_OVERHEAD,
    )
    return _at_budgets(best), seconds


def _at_budgets(best: Sequence[tuple[int, float]]) -> list[float]:
    return [max([v for epochs, v in best if epochs <= budget] or [0.0]) for budget in BUDGETS]


def _mean(values: Sequence[float]) -> float:
    return statistics.mean(values)


def _interval(values: Sequence[float]) -> float:
    """Return half the width of the 95 % interval of the mean."""
    if len(values) < 2:
        return 0.0
    return 1.96 * statistics.stdev(values) / math.sqrt(len(values))


def _facts(
    waiting: list[dict[str, Any]], quality: dict[str, dict[str, Any]], speed: dict[str, float]
) -> dict[str, Any]:
    names = list(quality)
    pairs = list(zip(quality[names[0]]["runs"], quality[names[-1]]["runs"], strict=True))
    ahead = [tpe[-1] - optuna[-1] for tpe, optuna in pairs]
    ratios: dict[str, float] = {
        "best_value_tpe_to_optuna": quality[names[0]]["best"][-1] / quality[names[-1]]["best"][-1],
        "best_value_ahead_of_optuna": _mean(ahead),
        "best_value_ahead_interval": _interval(ahead),
    }
    for row in waiting:
        lag = "none" if row["lag"] is None else f"{row['lag']}W"
        name = f"makespan_index_to_arrival_W{row['workers']}_mixed{row['mixed']:g}_lag_{lag}"
        ratios[name] = row["index"]["makespan"] / row["arrival"]["makespan"]
    bests = {name: {k: v for k, v in one.items() if k != "runs"} for name, one in quality.items()}
    return {
        "name": "search",
        "ratios": ratios,
        "ours": {
            "waiting": [{k: v for k, v in row.items() if k != "arrival"} for row in waiting],
            "budgets": BUDGETS,
            "quality": {name: one for name, one in bests.items() if name != names[-1]},
            **speed,
        },
        "plain": {
            "waiting": [{k: v for k, v in row.items() if k != "index"} for row in waiting],
            "quality": {names[-1]: bests[names[-1]]},
        },
    }


def _print(
    waiting: list[dict[str, Any]], quality: dict[str, dict[str, Any]], speed: dict[str, float]
) -> None:
    print(f"index order against arrival order (time to quality: until {QUALITY} is reached)\n")
    rows = []
    for row in waiting:
        index, arrival = row["index"], row["arrival"]
        lag = "none" if row["lag"] is None else f"{row['lag']} W"
        times = "one" if row["mixed"] == 1 else f"1 and {row['mixed']:g}"
        rows.append(
            [
                row["workers"],
                times,
                lag,
                f"{index['utilisation']:.0%}",
                f"{arrival['utilisation']:.0%}",
                f"{index['makespan'] / arrival['makespan'] - 1:+.1%}",
                f"{index['to_quality'] / arrival['to_quality'] - 1:+.1%}",
            ]
        )
    headers = ["workers", "epoch times", "lag", "index", "arrival", "makespan", "to quality"]
    print(tabulate(rows, headers=headers, disable_numparse=True))
    print("\nbest value at equal epochs, mean and 95 % interval; makespan of the last column\n")
    table = [
        [
            name,
            *(f"{b:.4f} ± {i:.4f}" for b, i in zip(one["best"], one["interval"], strict=True)),
            f"{one['makespan']:.0f}",
        ]
        for name, one in quality.items()
    ]
    headers = ["sampler", *(f"{budget} epochs" for budget in BUDGETS), "makespan"]
    print(tabulate(table, headers=headers, disable_numparse=True))
    ahead = _facts(waiting, quality, speed)["ratios"]
    print(
        f"\ntpe minus Optuna on 1 worker at {BUDGETS[-1]} epochs, mean over seeds: "
        f"{ahead['best_value_ahead_of_optuna']:+.4f} ± {ahead['best_value_ahead_interval']:.4f}"
    )
    print(f"10,000 trials on 512 workers: {speed['sweep_10000_512_s']:.1f} s")
    print(f"a tpe suggestion after 1,000 trials: {speed['tpe_1000_s']:.3f} s")
    print(f"a parzen suggestion after 10,000 trials: {speed['parzen_10000_s']:.3f} s")
