"""Memory of a GPU: caps, a neighbour that holds the rest, and running out of it."""

from collections.abc import Iterator

from genretune.scripts.soaks.gpu.processes import (
    Answer,
    Context,
    ask,
    compared,
    finding,
    same,
)
from genretune.scripts.soaks.gpu.record import Finding

CAP = 4 * 2**30
"""Bytes that a capped trial may allocate."""

LEFT = CAP + 2**31
"""Bytes that a neighbour leaves: for a capped trial, and for the CUDA contexts."""

TRIALS = ("paper's cnn fp32", "resnet18 fp32", "resnet18 bf16")
OUT_OF_MEMORY = (
    "running out of memory raises torch's error",
    "whose running out of memory is",
    "a trial after running out of memory",
)


def memory(context: Context) -> Iterator[Finding]:
    """Train under a cap, with and without a neighbour; run out of memory.

    Judged: capped trials are equal, whatever the neighbour holds. Reported: trials without a cap.
    """
    judged = [f"{trial}, {what}" for trial in TRIALS for what in ("4 GB, twice", "4 GB, neighbour")]
    reported = [f"{trial}, {what}" for trial in TRIALS for what in ("no cap", "no cap, neighbour")]
    checks = [*judged, *reported, *OUT_OF_MEMORY]
    if context.device == "cpu":
        yield from (Finding(check, skipped="needs a GPU") for check in checks)
        return
    if context.open([*judged, *reported]):
        yield from _caps(context)
    if context.open(OUT_OF_MEMORY):
        answers = ask(context, "out_of_memory", OUT_OF_MEMORY)
        fresh = ask(context, "fresh", OUT_OF_MEMORY)
        *raised, last = OUT_OF_MEMORY
        yield from (finding(answers[check]) for check in raised)
        yield same(last, answers[last], fresh[last])


def _caps(context: Context) -> Iterator[Finding]:
    capped, again, free = _train(context, CAP), _train(context, CAP), _train(context, None)
    for trial in TRIALS:
        yield same(f"{trial}, 4 GB, twice", capped[trial], again[trial])
        yield compared(f"{trial}, no cap", capped[trial], free[trial])
    with context.child("fill_gpu", ["held"], leave=LEFT) as neighbour:
        held = next(iter(neighbour.answers()), {"error": "the neighbour gave no answer"})
        if held.get("error"):
            yield Finding("neighbour", passed=False, detail=str(held["error"]))
            return
        beside, beside_free = _train(context, CAP), _train(context, None)
    yield Finding("neighbour", measured={name: held[name] for name in ("bytes", "free")})
    for trial in TRIALS:
        yield same(f"{trial}, 4 GB, neighbour", capped[trial], beside[trial])
        yield compared(f"{trial}, no cap, neighbour", free[trial], beside_free[trial])


def _train(context: Context, cap: int | None) -> dict[str, Answer]:
    """Train each trial in a new process; return the answers."""
    return {
        trial: ask(context, "trials", [trial], cases="networks", cap=cap)[trial] for trial in TRIALS
    }
