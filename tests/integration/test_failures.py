"""Failures that a sweep survives, produced with real processes; the results must be equal."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from genretune.data.store import Store
from genretune.scripts.soaks.local_nodes import LocalNodes, local_nodes
from tests.integration.driver import Driver

pytestmark = pytest.mark.integration

Genretune = Callable[..., subprocess.CompletedProcess[str]]
Rows = Callable[[Path], list[dict[str, Any]]]

PLUGIN = """\
import os
import signal

import torch
from torch import nn

MARK = __file__ + ".mark"


class Faulty(nn.Module):
    def __init__(self, *, classes: int, input_shape: tuple[int, int, int], fault: str = "none"):
        super().__init__()
        self.fault = fault
        self.layer = nn.Linear(input_shape[0] * input_shape[1], classes)

    def forward(self, x):
        if self.fault == "bug" and self.training:
            raise KeyError("a bug")
        if self.fault == "memory" and self.training:
            torch.empty(2**50)
        if self.fault == "killed" and self.training:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.fault == "gpu" and self.training:
            raise torch.AcceleratorError("CUDA error: device-side assert triggered")
        if self.fault == "gpu once" and self.training and not os.path.exists(MARK):
            open(MARK, "w").write(str(os.getpid()))
            raise RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR")
        if self.fault == "gpu once" and self.training:
            assert open(MARK).read() != str(os.getpid()), "not in the process that failed"
        if self.fault == "diverges":
            x = x * float("nan")
        return self.layer(x.mean(dim=3).flatten(1))


MODELS = {"faulty": Faulty}
"""
FAULTY_SPACE = """\
version: 1
name: faulty
seed: 3
trials: 7
metric: {name: val_loss, mode: min}
sampler: {type: grid}
data: {split: {name: stratified, folds: 3, fold: 1}, window: {seconds: 0.5}}
trial:
  device: cpu
  epochs: 2
  batch_size: 16
  model: {name: faulty}
  feature: {name: melspec, n_mels: 16, n_fft: 512}
parameters:
  model.fault: {values: [none, bug, memory, diverges, gpu, gpu once, killed]}
"""


@pytest.fixture(scope="module")
def local_cluster() -> Iterator[LocalNodes]:
    with local_nodes(1) as found:
        yield found


@pytest.fixture
def search(
    space: Path, corpus: Path, tmp_path: Path, local_cluster: LocalNodes
) -> Callable[..., Driver]:
    """A function that starts the small sweep on the local cluster."""

    def start(*more: str | Path) -> Driver:
        run = tmp_path / "run"
        where = ("--data", corpus, "--out", run, "--address", local_cluster.address)
        return Driver(run, "search", space, *where, *more)

    return start


def test_workers_killed_and_hung_storage_gone_and_a_node_lost(
    local_cluster: LocalNodes,
    search: Callable[..., Driver],
    finished: Path,
    leaderboard_of: Rows,
    events_of: Rows,
) -> None:
    driver = search("-W", "1", "--hang-timeout", "5")
    driver.until("report", 2)
    first = [worker.pid for worker in local_cluster.workers()]
    assert len(first) == 1
    os.kill(first[0], signal.SIGKILL)
    driver.until("lost", 1)

    driver.until("report", driver.count("report") + 1)
    (worker,) = local_cluster.workers()
    worker.suspend()  # hangs without dying
    driver.until("lost", 2)

    driver.until("report", driver.count("report") + 1)
    hidden = driver.run.with_name("hidden")
    driver.run.rename(hidden)
    time.sleep(1.5)
    assert not driver.run.exists(), "it must not be created again where a mount is missing"
    hidden.rename(driver.run)

    driver.until("report", driver.count("report") + 1)
    local_cluster.kill_node(0)
    driver.until("lost", 3)
    local_cluster.add_node()
    assert driver.wait() == 0, driver.log.read_text()
    assert not worker.is_running()
    assert leaderboard_of(driver.run) == leaderboard_of(finished)

    journal = events_of(driver.run)
    losses = [k for k, event in enumerate(journal) if event["event"] == "lost"]
    assert "hung" in journal[losses[1]]["why"]
    for k in losses:  # the lost trial is requeued first
        following = next(e for e in journal[k:] if e["event"] in ("report", "ended"))
        assert following["trial"] == journal[k]["trial"]
    reports = Counter((e["trial"], e["epoch"]) for e in journal if e["event"] == "report")
    assert set(reports.values()) == {1}


REQUEST = """\
import sys
from pathlib import Path
from genretune.tune.dispatch.cluster import cluster
from genretune.tune.dispatch.nodes.description import NodeRequirements
from genretune.tune.dispatch.nodes.nodes import Nodes
from genretune.tune.dispatch.run_options import Resources

address, store, samples = sys.argv[1:]
with cluster(address, level="strict", gpus=False):
    nodes = Nodes(NodeRequirements("cpu", "strict", store, samples), Resources(1.0, 0.0))
    print("requested", nodes.request_descriptions(), flush=True)
    sys.stdin.readline()
    nodes.wait_until_ready()
    chosen = nodes.choose_machine_class(None, allow_mixed=False)
    print(len(nodes.known), chosen is not None, flush=True)
"""


@pytest.mark.long
def test_a_node_that_dies_while_it_describes_itself(
    local_cluster: LocalNodes, store: Store
) -> None:
    local_cluster.add_node()
    arguments = (local_cluster.address, store.path, store.samples_digest)
    with subprocess.Popen(
        [sys.executable, "-c", REQUEST, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        # Ray prints lines of its own there, about nodes lost before
        line = next(line for line in process.stdout if line.startswith("requested"))
        assert line == "requested 2\n"
        local_cluster.kill_node(1)
        output, _ = process.communicate("continue\n", timeout=120)
        assert "1 True" in output.splitlines()


@pytest.mark.long
def test_a_node_that_hangs_without_dying(
    space: Path, corpus: Path, tmp_path: Path, finished: Path, leaderboard_of: Rows, events_of: Rows
) -> None:
    with local_nodes(2) as two:
        run = tmp_path / "run"
        where = ("--data", corpus, "--out", run, "--address", two.address)
        driver = Driver(run, "search", space, *where, "-W", "2", "--hang-timeout", "10")
        driver.until("report", 2)
        workers = two.workers()
        frozen = two.freeze_node(0)
        hung = [worker for worker in workers if worker in frozen]
        assert len(hung) == 1
        try:
            driver.until("lost", 1)
            assert driver.wait() == 0, driver.log.read_text()
        finally:
            for process in frozen:
                with suppress(psutil.Error):
                    process.resume()
        assert leaderboard_of(run) == leaderboard_of(finished)
        reasons = [event["why"] for event in events_of(run) if event["event"] == "lost"]
        assert reasons and "hung" in reasons[0]
        _, left = psutil.wait_procs(hung, timeout=30)
        assert not left, "a worker that was given up must exit when its node continues"
    assert leaderboard_of(run) == leaderboard_of(finished)


def test_usr1_then_stop_a_trial_then_a_deadline(
    local_cluster: LocalNodes, search: Callable[..., Driver], genretune: Genretune, events_of: Rows
) -> None:
    driver = search("-W", "1")
    driver.until("report", 2)
    workers = local_cluster.workers()
    began = time.monotonic()
    driver.process.send_signal(signal.SIGUSR1)  # Ray Tune has a handler of its own for it
    assert driver.wait() == 75
    psutil.wait_procs(workers, timeout=10 - (time.monotonic() - began))
    assert not any(worker.is_running() for worker in workers)
    assert f"continue with genretune resume {driver.run}" in driver.log.read_text()

    open_trial = next(
        event["trial"] for event in reversed(events_of(driver.run)) if event["event"] == "created"
    )
    assert genretune("stop", driver.run, open_trial).returncode == 0
    refused = genretune("stop", driver.run, open_trial)
    assert refused.returncode == 2 and "must be open" in refused.stderr
    assert "must have a running driver to be drained" in genretune("stop", driver.run).stderr

    again = Driver(
        driver.run, "resume", driver.run, "--address", local_cluster.address, "--time", "1s"
    )
    assert again.wait() == 75, again.log.read_text()
    assert "time limit reached" in again.log.read_text()

    # enough that the stop request comes before the end, however busy the machine is
    more = ("--address", local_cluster.address, "-W", "1", "--trials", "200")
    third = Driver(driver.run, "resume", driver.run, *more)
    third.until("report", third.count("report") + 1)
    assert genretune("stop", driver.run).returncode == 0
    assert third.wait() == 0
    assert "stopped by the user" in third.log.read_text()
    stops = [event["trial"] for event in events_of(driver.run) if event["event"] == "stop"]
    assert stops == [open_trial, None]


SLOW_NODE = """\
import sys, time

if "default_worker.py" in " ".join(sys.orig_argv):
    time.sleep(4)  # much longer than a segment takes on a node that has workers
"""
SICK_NODE = """\
import sys

if "default_worker.py" in " ".join(sys.orig_argv):
    sys.modules["torch"] = None  # an installation that cannot be imported
"""


def test_nodes_that_join_later_get_trials_and_sick_ones_are_set_aside(
    space: Path, corpus: Path, tmp_path: Path, genretune: Genretune, events_of: Rows
) -> None:
    sick, slow = ({"PYTHONPATH": str(tmp_path / name)} for name in ("sick", "slow"))
    for environment, text in ((sick, SICK_NODE), (slow, SLOW_NODE)):
        folder = Path(environment["PYTHONPATH"])
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(text)
    run = tmp_path / "run"
    with local_nodes(0) as growing:
        how = ("--data", corpus, "--out", run, "--address", growing.address, "trials=500")
        driver = Driver(run, "search", space, *how)
        time.sleep(5.0)
        assert driver.process.poll() is None and not run.exists(), "it waits for the first node"
        growing.add_node()
        driver.until("report", 1)
        growing.add_node(environment=sick)
        growing.add_node(environment=slow)
        facts: dict[str, Any] = {"running": [], "set_aside": {}}
        while len(facts["running"]) < 2 or not facts["set_aside"]:
            assert driver.process.poll() is None, driver.log.read_text()
            facts = json.loads(genretune("status", run, "--json").stdout)
        assert facts["concurrency"] == 2
        (why,) = facts["set_aside"].values()
        assert why.startswith("cannot describe itself: ")
        assert genretune("stop", run).returncode == 0
        assert driver.wait() == 0, driver.log.read_text()
    assert not [event for event in events_of(run) if event["event"] == "lost"]
    log = (run / "driver.log").read_text()
    assert "is set aside: it cannot describe itself" in log and log.count("is ready") == 2


def test_errors_of_a_trial_are_final_and_a_killed_worker_is_not(
    corpus: Path,
    tmp_path: Path,
    local_cluster: LocalNodes,
    genretune: Genretune,
    leaderboard_of: Rows,
    events_of: Rows,
) -> None:
    (tmp_path / "faulty.yaml").write_text(FAULTY_SPACE)
    (tmp_path / "faulty.py").write_text(PLUGIN)
    run = tmp_path / "run"
    how = ("--address", local_cluster.address, "-W", "1", "--plugin", tmp_path / "faulty.py")
    done = genretune("search", tmp_path / "faulty.yaml", "--data", corpus, "--out", run, *how)
    assert done.returncode == 3, done.stderr
    assert "not all trials could be decided" in done.stderr
    found = {row["parameters"]["model.fault"]: row for row in leaderboard_of(run)}
    assert found["none"]["status"] == "completed"
    assert (found["bug"]["status"], found["bug"]["why"]) == ("failed", "KeyError: 'a bug'")
    assert (found["memory"]["status"], found["memory"]["why"]) == ("failed", "out of memory")
    assert found["diverges"]["status"] == "diverged"
    assert found["killed"]["status"] in ("pending", "paused")
    why = "AcceleratorError: CUDA error: device-side assert triggered (in two processes)"
    assert (found["gpu"]["status"], found["gpu"]["why"]) == ("failed", why)
    assert found["gpu once"]["status"] == "completed"
    losses = Counter(event["trial"] for event in events_of(run) if event["event"] == "lost")
    assert losses[found["gpu"]["trial"]] == losses[found["gpu once"]["trial"]] == 1
    error = run / f"trials/{found['bug']['trial']:05d}/error.txt"
    assert "Traceback" in error.read_text()

    lost = found["killed"]["trial"]
    done = genretune("resume", run, *how, "--give-up-after", "5", "--strict-exit")
    assert done.returncode == 3 and "finished" in done.stdout, done.stderr
    (row,) = (row for row in leaderboard_of(run) if row["trial"] == lost)
    assert row["status"] == "failed" and row["why"].startswith("given up: it killed 5 workers")
    kept = sorted(path.name for path in (run / "trials/00000/checkpoints").iterdir())
    assert len(kept) == 2 and kept[0].startswith("0000") and kept[1].startswith("best")
    record = json.loads((run / "trials/00001/result.json").read_text())
    assert record["status"] == "failed"


def test_a_second_signal_ends_the_driver_immediately(search: Callable[..., Driver]) -> None:
    driver = search("-W", "1")
    driver.until("report", 1)
    driver.process.send_signal(signal.SIGTERM)
    driver.process.send_signal(signal.SIGINT)
    began = time.monotonic()
    assert driver.wait() in (75, 130)
    assert time.monotonic() - began < 5
