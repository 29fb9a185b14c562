"""Benchmark of training speed against a plain loop, on the same clips and network.

Two trials with one thread each run side by side on two cores; the plain loop runs with two threads,
or as two loops with one thread. All are measured in turn; figures are medians over the rounds.
"""

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tabulate import tabulate

from genretune.data.synthetic.synth import write_corpus
from genretune.scripts.benchmarks.train_accuracy import accuracy, print_accuracy
from genretune.scripts.benchmarks.train_workers import Measured, Worker, measure_together
from genretune.tune.reproducibility.environment import has_native_bf16

_STEPS, _ROUNDS = 1, 5


def main(argv: Sequence[str]) -> None:
    """Print a table, or with ``--json`` one object with ``ratios``, ``ours`` and ``plain``."""
    parser = argparse.ArgumentParser(prog="bench train", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--steps", type=int, default=_STEPS, help="batches of 64 per measurement")
    parser.add_argument("--rounds", type=int, default=_ROUNDS)
    parser.add_argument(
        "--accuracy",
        action="store_true",
        help="measure instead what the CNN learns in a few minutes",
    )
    options = parser.parse_args(argv)
    precisions = ["fp32", "bf16"] if has_native_bf16() else ["fp32"]
    with tempfile.TemporaryDirectory() as folder:
        if options.accuracy:
            learned = accuracy(Path(folder), precisions)
            print(json.dumps(learned, indent=1)) if options.json else print_accuracy(learned)
            return
        corpus = Path(folder) / "corpus"
        write_corpus(corpus, clips=2, seconds=30.0, seed=1)
        facts = measure(corpus, precisions, steps=options.steps, rounds=options.rounds)
    if options.json:
        print(json.dumps(facts, indent=1))
    else:
        _print(facts)


def measure(corpus: Path, precisions: Sequence[str], *, steps: int, rounds: int) -> dict[str, Any]:
    """Measure all sides in turn; return medians and ratios."""
    sides = {
        "plain, 2 threads": [("plain", "2")],
        "two plain, 1 thread each": [("plain", "1")] * 2,
        **{f"two trials, {p}": [("trial", p)] * 2 for p in precisions},
        **{f"floor, {p}": [("floor", p)] * 2 for p in precisions},
    }
    workers = {
        name: [Worker(role, argument, corpus, steps) for role, argument in roles]
        for name, roles in sides.items()
    }
    rows: dict[str, list[Measured]] = {name: [] for name in sides}
    for turn in range(rounds + 1):
        for name, side in workers.items():
            measured = measure_together(side)
            if turn:  # the first turn warms up
                rows[name].append(measured)
    shares = {precision: _share(corpus, precision) for precision in precisions}
    for worker in (worker for side in workers.values() for worker in side):
        worker.end()
    return _facts(rows, shares, precisions)


def _share(corpus: Path, precision: str) -> dict[str, float]:
    worker = Worker("share", precision, corpus, 0)
    shares = measure_together([worker])
    worker.end()
    return shares


def _facts(
    rows: Mapping[str, Sequence[Measured]],
    shares: Mapping[str, Mapping[str, float]],
    precisions: Sequence[str],
) -> dict[str, Any]:
    """Return medians; a ratio is the median of ratios within a round, measured close in time."""

    def ratio(above: str, below: str) -> float:
        pairs = zip(rows[above], rows[below], strict=True)
        rate = "windows_per_second"
        return statistics.median(ours[rate] / plain[rate] for ours, plain in pairs)

    def medians(name: str) -> dict[str, float]:
        two = 1 if name.startswith("plain") else 2
        return {
            "windows_per_second": statistics.median(r["windows_per_second"] for r in rows[name]),
            "cpu_ms_per_window": statistics.median(r["cpu_ms_per_window"] for r in rows[name])
            / two,
        }

    ratios = {}
    for precision in precisions:
        ours = f"two trials, {precision}"
        ratios[precision] = ratio(ours, "plain, 2 threads")
        ratios[f"{precision}_two_plain"] = ratio(ours, "two plain, 1 thread each")
        ratios[f"{precision}_of_floor"] = ratio(ours, f"floor, {precision}")
        ratios[f"{precision}_outside"] = shares[precision]["outside"]
    return {
        "name": "train",
        "ratios": ratios,
        "ours": {p: medians(f"two trials, {p}") for p in precisions},
        "plain": {n: medians(n) for n in ("plain, 2 threads", "two plain, 1 thread each")},
        "floor": {p: medians(f"floor, {p}") for p in precisions},
        "share": shares,
    }


def _print(facts: Mapping[str, Any]) -> None:
    sides = {
        **facts["plain"],
        **{f"two trials, {p}": row for p, row in facts["ours"].items()},
        **{f"matrix products alone, {p}": row for p, row in facts["floor"].items()},
    }
    table = [
        [name, f"{row['windows_per_second']:.1f}", f"{row['cpu_ms_per_window']:.1f}"]
        for name, row in sides.items()
    ]
    headers = ["both cores together", "windows per second", "CPU ms per window"]
    print(tabulate(table, headers=headers, disable_numparse=True))
    for precision, share in facts["share"].items():
        ratios = facts["ratios"]
        print(
            f"\n{precision}: {ratios[precision]:.2f} times the plain loop on 2 threads, "
            f"{ratios[f'{precision}_two_plain']:.2f} times two plain loops, "
            f"{ratios[f'{precision}_of_floor']:.0%} of the matrix products' rate"
        )
        spent = ", ".join(f"{k} {v:.1%}" for k, v in share.items() if k != "seconds")
        print(f"time of an epoch: {spent}")


if __name__ == "__main__":
    main(sys.argv[1:])
