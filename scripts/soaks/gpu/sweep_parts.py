"""Sweeps by the real command line on the GPUs of this machine: killed, resumed, replayed."""

import hashlib
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from genretune.scripts.soaks.gpu.processes import Context, ask
from genretune.scripts.soaks.gpu.record import Finding

if TYPE_CHECKING:
    from genretune.scripts.soaks.gpu.sweep_work import Driver, Work

LEAK = 1.3
"""Of the GPU's memory before a worker was killed; what it held twice would be more."""
LEFT_OVER = 64
"""MB that do not count."""
SETTLE = 30.0
"""Seconds that Ray may take to end its processes."""


def on_whole_gpus(context: Context) -> Iterator[Finding]:
    """Run the sweep on whole GPUs."""
    yield from _sweep(context, ["--resources", "gpu=1" if context.device == "cuda" else "cpu=2"])


def on_quarters(context: Context) -> Iterator[Finding]:
    """Run the sweep with four trials a GPU, and tell whether its bits are those of whole GPUs."""
    on_cpu = ["--resources", "cpu=1", "--concurrency", "2"]
    cuda = context.device == "cuda"
    yield from _sweep(context, ["--resources", "cpu=1,gpu=0.25"] if cuda else on_cpu)
    whole = context.record.done("sweep", "leaderboard")
    quarters = context.record.done("quarters", "leaderboard")
    if whole and quarters:
        equal = whole["measured"] == quarters["measured"]
        yield Finding("bits of whole GPUs", measured={"bits": "same" if equal else "differs"})


def _sweep(context: Context, where: Sequence[str]) -> Iterator[Finding]:
    """Compare a sweep that is killed and resumed with an undisturbed one; replay its best trial."""
    from genretune.scripts.soaks.gpu.sweep_work import Work, rows  # a trial's parts need none of it

    if not context.open(["leaderboard", "killed and resumed", "replay best"]):
        return
    with _folder() as folder, Work(context, folder, where) as work:
        undisturbed = work.finish(work.start("undisturbed"))
        bits = [(row["trial"], row["weights_sha256"]) for row in rows(undisturbed.run)]
        digest = hashlib.sha256(json.dumps(bits).encode()).hexdigest()
        yield Finding("leaderboard", measured={"digest": digest}, detail=f"{len(bits)} trials")
        killed = work.start("killed")
        work.until("6 epochs", lambda: killed.events("report") >= 6, killed)
        killed.end()
        epochs = killed.events("report")
        resumed = work.finish(work.start("killed", resume=True))
        found = work.differences(undisturbed, resumed)
        what = f"killed after {epochs} of {resumed.events('report')} epochs"
        detail = "; ".join([what, *found[:3]])
        yield Finding("killed and resumed", passed=not found, detail=detail)
        text = work.command("replay", undisturbed.run, "--trial", "best", *work.data, "--json")
        exact = json.loads(text)["verdict"] == "exact"
        yield Finding("replay best", passed=exact, detail=" ".join(text.split())[:300])


def workers(context: Context) -> Iterator[Finding]:
    """Kill a worker, then stop another one; both must be gone, with the memory that they held."""
    from genretune.scripts.soaks.gpu.sweep_work import Work

    if not context.open(["SIGKILL", "SIGSTOP", "sweep ends", "memory afterwards"]):
        return
    resources = "gpu=1" if context.device == "cuda" else "cpu=2"
    where = ["--resources", resources, "--hang-timeout", "15"]
    with _folder() as folder, Work(context, folder, where) as work:
        before = _gpu_memory(context)
        driver = work.start("run", more=["trial.epochs=2000", "early_terminate.grace_period=1000"])
        for check in ("SIGKILL", "SIGSTOP"):
            yield _disturbed(context, work, driver, check, before)
        work.command("stop", driver.run)
        work.until("the end of the sweep", lambda: driver.process.poll() is not None)
        code = driver.end()
        yield Finding("sweep ends", passed=code == 0, detail=f"exit code {code}")
        end = time.monotonic() + SETTLE
        while (after := _gpu_memory(context)) - before >= LEFT_OVER and time.monotonic() < end:
            time.sleep(1.0)
        passed = after - before < LEFT_OVER
        yield Finding("memory afterwards", passed=passed, detail=f"MB {before}, then {after}")


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="genretune-soak-") as folder:
        yield Path(folder)


def _disturbed(
    context: Context, work: "Work", driver: "Driver", check: str, before: int
) -> Finding:
    """Send a worker a signal; compare the GPU's memory before it and once another one trains."""
    worker = work.busy_worker(driver)
    held, lost = _gpu_memory(context), driver.events("lost")
    if check == "SIGKILL":
        worker.kill()
    else:
        worker.suspend()
    work.until("a lost segment", lambda: driver.events("lost") > lost, driver)
    gone = work.is_gone(worker)
    work.busy_worker(driver)
    now = _gpu_memory(context)
    leaks = now - before > LEAK * (held - before) + LEFT_OVER
    facts = f"{'gone' if gone else 'still there'}; MB {before}, then {held}, then {now}"
    return Finding(check, passed=gone and not leaks, detail=facts)


def _gpu_memory(context: Context) -> int:
    """Return the MB of the GPU that are taken, by this question among others; 0 on a CPU."""
    if context.device == "cpu":
        return 0
    answer = ask(context, "gpu_memory", ["taken"])["taken"]
    if answer.get("error"):
        raise RuntimeError(answer["error"])
    return int(answer["MB"])
