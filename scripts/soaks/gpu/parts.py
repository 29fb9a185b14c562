"""The parts of the soak test, and what each checks."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

from genretune.scripts.soaks.gpu.cases import BEFORE, LONGER, component_cases, network_cases
from genretune.scripts.soaks.gpu.gpu_tasks import POOLINGS
from genretune.scripts.soaks.gpu.memory_parts import memory
from genretune.scripts.soaks.gpu.processes import (
    Context,
    answers_to,
    ask,
    collect,
    compared,
    finding,
    judged,
    same,
    twice,
)
from genretune.scripts.soaks.gpu.record import Finding
from genretune.scripts.soaks.gpu.runner import Part
from genretune.scripts.soaks.gpu.sweep_parts import on_quarters, on_whole_gpus, workers


def class_facts(context: Context) -> Iterator[Finding]:
    """Check that nothing of the machine class is unknown, and torch's flags."""
    checks = ["no fact is unknown", "machine class"]
    if context.device == "cuda":
        checks.append("machine class of a quarter")
    checks += [f"flags of {precision}" for precision in ("fp32", "tf32", "bf16")]
    yield from judged(context, "class", [*checks, "products by precision"])


def models(context: Context) -> Iterator[Finding]:
    """Train every model in every precision, three steps in two new processes."""
    checks = list(network_cases(context.size, context.device))
    yield from twice(context, "trials", checks, cases="networks")
    if context.device == "cpu":
        yield Finding("tf32", skipped="needs a GPU")


def components(context: Context) -> Iterator[Finding]:
    """Train with every feature, augmentation, loss and optimizer, three steps, twice."""
    checks = list(component_cases(context.size, context.device))
    yield from twice(context, "trials", checks, cases="components")


def pooling(context: Context) -> Iterator[Finding]:
    """Compare the ways of max-pooling."""
    yield from judged(context, "pooling", POOLINGS)


def samples(context: Context) -> Iterator[Finding]:
    """Compare the ways of samples to the device."""
    checks = ["cut on the device", "moved and cut on the device"]
    if context.device == "cuda":
        checks.append("on the GPU where they fit")
    yield from judged(context, "samples", [*checks, "sent ahead"])


def resume(context: Context) -> Iterator[Finding]:
    """Compare two epochs and two more in a new process with four in one."""
    checks = context.open(list(LONGER))
    if not checks:
        return
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        whole = stack.enter_context(context.child("halves", checks, half=0, folder=folder))
        half = ask(context, "halves", checks, half=1, folder=folder)
        parts = ask(context, "halves", checks, half=2, folder=folder)
        at_once = collect(whole, checks)
    for check in checks:
        broken = half[check] if half[check].get("error") else parts[check]
        yield same(check, at_once[check], broken)


def after(context: Context) -> Iterator[Finding]:
    """Compare a trial after others in one process with the same one in a new process."""
    checks = context.open(list(BEFORE))
    if not checks:
        return
    alone = ask(context, "fresh", checks)
    for check, (answer,) in answers_to(context, "after", checks):
        compare = same if BEFORE[check][1] else compared
        yield compare(check, answer, alone[check])


HOSTS = {
    "ATEN_CPU_CAPABILITY=avx2": {"ATEN_CPU_CAPABILITY": "avx2"},
    "MKL_CBWR=COMPATIBLE": {"MKL_CBWR": "COMPATIBLE"},
    "ONEDNN_MAX_CPU_ISA=AVX2": {"ONEDNN_MAX_CPU_ISA": "AVX2"},
    "ATEN_CPU_CAPABILITY=default": {"ATEN_CPU_CAPABILITY": "default"},
    "as portable": {
        "ATEN_CPU_CAPABILITY": "avx2",
        "MKL_CBWR": "COMPATIBLE",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
    },
}


def host(context: Context) -> Iterator[Finding]:
    """Tell which bits move with the instructions that the host's CPU uses; nothing is judged."""
    wanted = ["as portable"] if context.size == "tiny" else list(HOSTS)
    checks = context.open(wanted)
    if not checks:
        return
    usual = ask(context, "host", ["host"])["host"]
    for check in checks:
        with context.child("host", [check], environment=HOSTS[check]) as child:
            other = collect(child, [check])[check]
        if error := usual.get("error") or other.get("error"):
            yield Finding(check, passed=False, detail=str(error))
            continue
        moved = {
            name: "same" if digest == other["digests"][name] else "differs"
            for name, digest in usual["digests"].items()
        }
        capabilities = f"{usual['capability']}, then {other['capability']}"
        yield Finding(check, measured=moved, detail=capabilities)


WRONG_INDEX: Sequence[str] = ("whose a wrong index is", "next trial in that process")
NEW_PROCESS = "a new process trains as ever"


def plugin_error(context: Context) -> Iterator[Finding]:
    """Let a plug-in model read out of bounds on the device; then train in a new process."""
    checks = context.open([*WRONG_INDEX, NEW_PROCESS])
    if not checks:
        return
    before = ask(context, "fresh", [NEW_PROCESS])[NEW_PROCESS]
    answers = ask(context, "device_assert", WRONG_INDEX)
    for check in WRONG_INDEX:
        yield finding(answers[check])
    later = ask(context, "fresh", [NEW_PROCESS])[NEW_PROCESS]
    yield same(NEW_PROCESS, before, later)


PARTS: dict[str, Part] = {
    "class": Part(class_facts, "facts of the machine class, none unknown; flags for TF32"),
    "models": Part(models, "every model in fp32, tf32 and bf16, three steps in two new processes"),
    "components": Part(
        components, "every feature, augmentation, loss and optimizer, three steps, twice"
    ),
    "pooling": Part(pooling, "torch's max-pooling against slices, and both against the CPU"),
    "samples": Part(samples, "windows cut on the GPU, on the CPU, and sent ahead"),
    "resume": Part(resume, "2 + 2 epochs in two processes against 4 in one"),
    "after": Part(after, "a trial after others in one process against a new process"),
    "plugin-error": Part(plugin_error, "a device-side assert in a plug-in, and the next trial"),
    "memory": Part(memory, "a cap of 4 GB, a neighbour that holds the GPU, out of memory"),
    "host": Part(host, "which bits move with the instructions of the host's CPU (reported)"),
    "sweep": Part(
        on_whole_gpus, "a sweep on whole GPUs, SIGKILLed and resumed; replay", needs_ray=True
    ),
    "quarters": Part(on_quarters, "the same, four trials a GPU", needs_ray=True),
    "workers": Part(
        workers, "SIGKILL and SIGSTOP of a worker give its memory back", needs_ray=True
    ),
}
