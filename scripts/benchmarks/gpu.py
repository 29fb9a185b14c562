"""Benchmark of trials on a GPU against a plain loop on the same GPU, in the same run.

scripts/bench gpu --out bench.jsonl         # all parts, at most 8 minutes each
scripts/bench gpu --part speed --part step  # two of them
scripts/bench gpu --device cpu --size tiny  # without a GPU: whether the benchmark itself works

Prints a line of JSON for each measurement, and at last one object with ratios, as the other
benchmarks do; the first line names torch, the GPU and its driver. With --out, a later call does
what is left. Needs what the soak test of a GPU needs (scripts/soak gpu --help). The plain loop is
that of scripts/bench train moved to the GPU: a DataLoader that decodes between steps, or in up to 8
workers, torch's own modules in the default memory format, torch's default precision or bf16.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

from genretune.scripts.soaks.gpu.processes import Context, collect, finding
from genretune.scripts.soaks.gpu.record import Finding, Record
from genretune.scripts.soaks.gpu.runner import Part, parser, run

PROG = "scripts/bench gpu"
MODULE = "genretune.scripts.benchmarks.gpu_tasks"
NETWORKS = ("cnn", "resnet18")
ROUNDS = {"full": 3, "tiny": 1}
BESIDE = {"full": (1, 2, 4, 8), "tiny": (1, 2)}
BESIDE_SECONDS = {"full": 20.0, "tiny": 0.1}


def main(argv: Sequence[str]) -> None:
    """Run the parts and exit: 1 if one has failed, 2 without the device, else 0."""
    options = parser(PROG, __doc__)
    options.add_argument("--json", action="store_true", help="print the last object only")
    chosen = options.parse_args(argv)

    def finish(record: Record) -> None:
        found = facts(record)
        record.write(found)
        if chosen.json:
            print(json.dumps(found, indent=1))

    sys.exit(run(PROG, PARTS, chosen, finish=finish))


def facts(record: Record) -> dict[str, Any]:
    """Return ratios, ours and plain, of what the record holds."""
    ours = {part: record.measured(part) for part in PARTS}
    speeds = ours["speed"]
    plain = {k.removeprefix("plain, "): v for k, v in speeds.items() if k.startswith("plain, ")}
    ours["speed"] = {
        k.removeprefix("ours, "): v for k, v in speeds.items() if k.startswith("ours, ")
    }
    rate = "windows_per_second"
    ratios = {}
    for name, row in ours["speed"].items():
        network, _ = name.split()
        for manner in ("plain", "workers", "bf16"):
            if other := plain.get(f"{network} {manner}"):
                ratios[f"{name}, {manner}"] = round(row[rate] / other[rate], 3)
    one = ours["trials"].get("1 trial")
    for name, row in ours["trials"].items():
        if one and row is not one:
            ratios[f"{name} to one"] = round(row[rate] / one[rate], 3)
    return {"name": "gpu", "ratios": ratios, "ours": ours, "plain": plain}


def speed(context: Context) -> Iterator[Finding]:
    """Measure windows a second: ours in every precision, the plain loop in three manners."""
    for network in _networks(context):
        manners = ("plain", "workers", "bf16")
        yield from _named(context, f"plain, {network} ", "plain", manners, network)
        yield from _named(context, f"ours, {network} ", "ours", _precisions(context), network)


def step(context: Context) -> Iterator[Finding]:
    """Measure where the time of a step goes, in ms."""
    for network in _networks(context):
        yield from _named(context, f"{network} ", "steps", _precisions(context), network)


def epoch(context: Context) -> Iterator[Finding]:
    """Measure an epoch of a corpus as large as GTZAN."""
    for network in _networks(context):
        yield from _named(context, f"{network} ", "gtzan", ("bf16",), network)


def trials(context: Context) -> Iterator[Finding]:
    """Measure trials of the CNN in bf16 side by side, each capped to its share of the memory."""
    for count in BESIDE[context.size]:
        name = "1 trial" if count == 1 else f"{count} trials"
        if not context.open([name]):
            continue
        request: dict[str, Any] = {"model": "cnn", "share": 1.0 / count}
        request["seconds"] = BESIDE_SECONDS[context.size]
        with ExitStack() as stack:
            children = [
                stack.enter_context(context.child("beside", [name], module=MODULE, **request))
                for _ in range(count)
            ]
            ready = [next(child.answers(), {}) for child in children]
            for child in children:
                child.go()
            answers = [collect(child, [name])[name] for child in children]
        if wrong := [one["error"] for one in (*ready, *answers) if one.get("error")]:
            yield Finding(name, passed=False, detail=str(wrong[0]))
            continue
        rate = sum(one["windows_per_second"] for one in answers)
        busy = answers[0]["utilisation"]
        yield Finding(name, measured={"windows_per_second": round(rate, 2), "utilisation": busy})


PARTS: dict[str, Part] = {
    "speed": Part(speed, "windows a second of the CNN and resnet18, beside the plain loop"),
    "step": Part(step, "a step: gather, feature, masks, network, optimizer"),
    "trials": Part(trials, "1, 2, 4 and 8 trials on one GPU"),
    "epoch": Part(epoch, "an epoch of a corpus as large as GTZAN"),
}


def _named(
    context: Context, prefix: str, task: str, keys: Sequence[str], network: str
) -> Iterator[Finding]:
    """Measure what the record does not hold, all in one new process."""
    left = [key for key in keys if context.open([prefix + key])]
    if not left:
        return
    rounds = ROUNDS[context.size]
    with context.child(task, left, module=MODULE, model=network, rounds=rounds) as child:
        for answer in child.answers():
            yield finding({**answer, "key": prefix + answer["key"]})
            left.remove(answer["key"])
        if left:
            yield Finding(prefix + left[0], passed=False, detail=f"no answer, {child.end()}")


def _networks(context: Context) -> tuple[str, ...]:
    return NETWORKS[:1] if context.size == "tiny" else NETWORKS


def _precisions(context: Context) -> tuple[str, ...]:
    return ("fp32", "tf32", "bf16") if context.device == "cuda" else ("fp32", "bf16")


if __name__ == "__main__":
    main(sys.argv[1:])
