"""Several nodes on one machine; their GPUs are logical, trials run on the CPU."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from genretune.data.store import Store
from genretune.scripts.soaks.local_nodes import LocalNodes, local_nodes
from tests.integration.driver import Driver

pytestmark = pytest.mark.integration

Genretune = Callable[..., subprocess.CompletedProcess[str]]
Rows = Callable[[Path], list[dict[str, Any]]]

PLUGIN = """\
import os
import time

import torch
from torch import nn


def wait_for_other_workers(trace):
    gate = trace + ".gate"
    end = time.time() + 60
    while os.path.exists(gate) and time.time() < end:
        with open(trace) as file:
            if len({line.split("|")[0] for line in file}) >= 8:
                return
        time.sleep(0.1)


class Witness(nn.Module):
    def __init__(self, *, classes: int, input_shape: tuple[int, int, int], trace: str, knob: int):
        super().__init__()
        self.trace, self.knob = trace, knob
        self.layer = nn.Linear(input_shape[0] * input_shape[1], classes)

    def forward(self, x):
        if self.training:
            facts = [os.getpid(), *map(os.environ.get, ("CUDA_VISIBLE_DEVICES", "NODE_MARK"))]
            facts += [torch.get_num_threads(), torch.get_default_dtype()]
            with open(self.trace, "a") as file:
                file.write("|".join(map(str, facts)) + "\\n")
            wait_for_other_workers(self.trace)
        return self.layer(x.mean(dim=3).flatten(1))


MODELS = {"witness": Witness}
"""
SPACE = """\
version: 1
name: witness
seed: 3
trials: 8
metric: {{name: val_loss, mode: min}}
sampler: {{type: grid}}
data: {{split: {{name: stratified, folds: 3, fold: 1}}, window: {{seconds: 0.5}}}}
trial:
  epochs: 2
  batch_size: 16
  model: {{name: witness, trace: {trace}}}
  feature: {{name: melspec, n_mels: 16, n_fft: 512}}
parameters:
  model.knob: {{values: [0, 1, 2, 3, 4, 5, 6, 7]}}
"""
SEND = """\
import os, sys
from pathlib import Path

from genretune.tune.dispatch.cluster import cluster
from genretune.tune.dispatch.nodes.description import NodeRequirements
from genretune.tune.dispatch.nodes.nodes import Nodes
from genretune.tune.dispatch.run_options import Resources

address, store, samples = sys.argv[1:]
os.dup2(os.open(store, os.O_RDONLY), 250)
mine = "/proc/self/fd/250"  # a path that only this process sees
with cluster(address, level="strict", gpus=False):
    nodes = Nodes(NodeRequirements("cpu", "strict", mine, samples), Resources(1.0, 0.0))
    nodes.wait_until_ready()
    assert [node.has_store for node in nodes.known.values()] == [True], nodes.known
"""
OPEN_CLUSTER = """\
import sys

from genretune.scripts.soaks.local_nodes import local_nodes

with local_nodes(1, token=False) as nodes:
    print("at", nodes.address, flush=True)
    sys.stdin.readline()
"""


FAKE_GPU = {"PYTHONPATH": str(Path(__file__).parent / "fake_gpu")}

OUTDATED = """\
import sys
from pathlib import Path

from genretune.scripts.launch import driver_job
from genretune.tune.dispatch import dispatch, driver, monitor
from genretune.tune.dispatch.driver_job import NewRun
from genretune.tune.dispatch.run_options import RunOptions
from genretune.tune.dispatch.signals import StopSignal
from genretune.tune.run.sweep_setup import new_sweep
from genretune.tune.space.load import load_space
from genretune.tune.storage.run_dir import RunDir

space, corpus, run, address = sys.argv[1:]
orders, place = [], dispatch.Dispatch._place


def place_as_before_a_node_was_ready(self, trial):
    machine_class, excluded = place(self, trial)
    orders.append(trial)
    if len(orders) <= 2:
        excluded = [node.id for node in self._workers.nodes.usable(None)]
    return machine_class, excluded


dispatch.Dispatch._place = place_as_before_a_node_was_ready
monitor._PATIENCE = 2.0
sweep = new_sweep(load_space(Path(space), ["trials=3"]), Path(corpus))
new_run = NewRun(Path(space).read_text(), sweep.as_json())
options = RunOptions(address=address, concurrency=2)
job = driver_job(RunDir(Path(run)), sweep, options, new_run=new_run)
hooks = driver.DriverHooks(show=lambda controller: None)
print(driver.drive(RunDir(Path(run)), job, stop_signal=StopSignal(), hooks=hooks), orders[:4])
"""


@pytest.fixture(scope="module")
def local_cluster() -> Iterator[LocalNodes]:
    """Two nodes with four processors and one logical GPU each."""
    with local_nodes(0) as found:
        for mark in ("a", "b"):
            found.add_node(cpus=4, gpus=1, environment={"NODE_MARK": mark, **FAKE_GPU})
        yield found


@pytest.mark.long
def test_four_trials_a_gpu_are_spread_and_share_nothing(
    local_cluster: LocalNodes, corpus: Path, tmp_path: Path, genretune: Genretune
) -> None:
    trace = tmp_path / "trace"
    (tmp_path / "witness.yaml").write_text(SPACE.format(trace=trace))
    (tmp_path / "witness.py").write_text(PLUGIN)
    how = ("--data", corpus, "--plugin", tmp_path / "witness.py")
    run = tmp_path / "run"
    where = ("--address", local_cluster.address, "--resources", "cpu=1,gpu=0.25")
    gate = tmp_path / "trace.gate"
    gate.touch()
    done = genretune("search", tmp_path / "witness.yaml", *how, "--out", run, *where)
    gate.unlink()
    assert done.returncode == 0, done.stderr
    lines = [line.split("|") for line in trace.read_text().splitlines()]
    processes = {(line[0], line[2]) for line in lines}
    assert sorted(node for _, node in processes) == ["a"] * 4 + ["b"] * 4
    assert {line[1] for line in lines} == {"0"}, "each node has one GPU, numbered 0"
    assert {tuple(line[3:]) for line in lines} == {("1", "torch.float32")}
    sweep = json.loads((run / "sweep.json").read_text())
    assert sweep["device"] == "cuda" and "host" in sweep["environment"]["machine_class"]
    expected = "Fake GPU, 1 SMs, driver 570.1"
    assert sweep["environment"]["machine_class"].startswith(expected)
    assert "0.25 of the GPU" in sweep["environment"]["machine_class"]
    assert sweep["environment"]["gpu"] == "Fake GPU"


def test_a_driver_without_a_gpu_drives_a_gpu_sweep_through_a_kill_and_an_extension(
    local_cluster: LocalNodes,
    corpus: Path,
    space: Path,
    tmp_path: Path,
    genretune: Genretune,
    leaderboard_of: Rows,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    run = tmp_path / "run"
    at = ("--address", local_cluster.address)
    how = ("--data", corpus, "--out", run, *at, "--resources", "gpu=0.5", "trial.device=auto")
    driver = Driver(run, "search", space, *how, "trials=4")
    driver.until("report", 3)
    (shown,) = [json.loads(genretune("status", run, "--json").stdout)]
    driver.process.kill()
    driver.process.wait()
    assert genretune("resume", run, *at, "--resources", "gpu=1").returncode == 5, "another class"
    done = genretune("resume", run, *at, "--trials", "+2", "--resources", "cpu=1")
    assert done.returncode == 0, done.stderr
    rows = leaderboard_of(run)

    undisturbed = tmp_path / "undisturbed"
    how = ("--data", corpus, "--out", undisturbed, *at, "--resources", "gpu=0.5")
    done = genretune("search", space, *how, "trial.device=cuda", "trials=6")
    assert done.returncode == 0, done.stderr
    assert leaderboard_of(undisturbed) == rows
    facts = json.loads((run / "trials/00000/result.json").read_text())["segments"][-1]
    assert facts["environment"]["gpu_share"] == 0.5
    assert "0.5 of the GPU" in facts["environment"]["machine_class"]
    for one in shown["running"]:
        assert one["host"] and one["device"] in ("", "cuda")


def test_a_cluster_without_a_token_is_joined_with_a_warning(
    space: Path,
    corpus: Path,
    tmp_path: Path,
    genretune: Genretune,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))  # of an account that never ran Ray
    # in a process of its own: Ray reads the mode once a process
    with subprocess.Popen(
        [sys.executable, "-c", OPEN_CLUSTER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as cluster:
        assert cluster.stdin is not None and cluster.stdout is not None
        address = next(line for line in cluster.stdout if line.startswith("at ")).split()[1]
        how = ("--data", corpus, "--address", address, "trials=1", "trial.epochs=2")
        done = genretune("search", space, *how, "--out", tmp_path / "run")
        monkeypatch.setenv("RAY_AUTH_MODE", "token")
        refused = genretune("search", space, *how, "--out", tmp_path / "other")
        cluster.communicate("end\n", timeout=60)
    assert done.returncode == 0, done.stderr
    assert "this Ray cluster has no token" in done.stderr
    assert not (tmp_path / ".ray").exists()
    assert refused.returncode == 2 and "needs the token of the cluster" in refused.stderr


def test_resources_that_no_node_has_are_refused(
    local_cluster: LocalNodes, space: Path, corpus: Path, tmp_path: Path, genretune: Genretune
) -> None:
    run = tmp_path / "run"
    where = ("--address", local_cluster.address, "--resources", "cpu=1,gpu=2")
    how = ("search", space, "--data", corpus, "--out", run, *where)
    done = genretune(*how, "trial.device=auto")
    assert done.returncode == 2
    assert "got cpu=1,gpu=2 (the cluster has" in done.stderr and "4 CPU, 1 GPU" in done.stderr
    contradiction = genretune(*how)
    assert contradiction.returncode == 2
    assert "gpu must be 0 for trial.device cpu, got gpu=2" in contradiction.stderr
    assert not run.exists(), "so that the corrected command can use it"


NOISE = """\
import os

from torch import nn


class Noisy(nn.Module):
    def __init__(self, *, classes: int, input_shape: tuple[int, int, int]):
        super().__init__()
        self.layer = nn.Linear(input_shape[0] * input_shape[1], classes)
        self.factor = 1.001 if os.environ.get("NODE_MARK") == "b" else 1.0

    def forward(self, x):
        return self.layer(x.mean(dim=3).flatten(1)) * self.factor


MODELS = {"noisy": Noisy}
"""


def test_the_doctor_checks_every_node_and_finds_one_that_computes_other_bits(
    local_cluster: LocalNodes, corpus: Path, tmp_path: Path, genretune: Genretune
) -> None:
    text = SPACE.format(trace="").replace("{name: witness, trace: }", "{name: noisy}")
    text = text.replace("model.knob: {values", "batch_size: {values").replace("[0, ", "[8, ")
    space, plugin = tmp_path / "noisy.yaml", tmp_path / "noisy.py"
    space.write_text(text.replace("trial:\n", "trial:\n  device: cpu\n"))
    plugin.write_text(NOISE)
    where = ("--address", local_cluster.address, "--data", corpus, "--out", tmp_path / "runs")
    done = genretune("doctor", *where, "--train", space, "--plugin", plugin, "--json")
    assert done.returncode == 1, done.stderr
    findings = json.loads(done.stdout)
    by_node = {
        node: {one["check"]: one for one in findings if one["node"] == node}
        for node in {one["node"] for one in findings}
    }
    assert by_node.pop("all")["authentication"]["severity"] in ("ok", "warning")
    by_node.pop("driver", None)  # on a machine with GPUs there is nothing to say of it
    assert len(by_node) == 3, "the head and two more"
    for checks in by_node.values():
        assert {"answers", "versions", "data", "run directory", "free disk", "clock"} <= set(checks)
        assert checks["ports"]["found"] == "open"
    trained = {node: one["training"] for node, one in by_node.items()}
    (head,) = [node for node, one in trained.items() if "no trial fits" in one["found"]]
    assert by_node.pop(head)["GPUs"]["severity"] != "FAILED"
    for checks in by_node.values():
        assert checks["GPUs"]["found"].startswith("Ray counts 1"), "a logical GPU"
        assert checks["training"]["severity"] == "FAILED"
        assert "on 1 of 2 nodes of its machine class" in checks["training"]["found"]
    failed = {one["check"] for one in findings if one["severity"] == "FAILED"}
    assert failed == {"GPUs", "training"}
    assert {path.name for path in tmp_path.iterdir()} == {"noisy.yaml", "noisy.py"}


def test_nodes_without_the_package_or_the_samples_get_them(
    space: Path,
    corpus: Path,
    store: Store,
    tmp_path: Path,
    genretune: Genretune,
    finished: Path,
    leaderboard_of: Rows,
) -> None:
    without_package = tmp_path / "site"
    without_package.mkdir()
    (without_package / "sitecustomize.py").write_text(
        "import sys\nsys.meta_path[:] = [f for f in sys.meta_path if 'genretune' not in repr(f)]\n"
    )
    with local_nodes(0) as lacking:
        own_cache = tmp_path / "cache of the node"
        hidden = {"PYTHONPATH": str(without_package), "GENRETUNE_CACHE": str(own_cache)}
        lacking.add_node(cpus=2, environment=hidden)
        run = tmp_path / "run"
        where = ("--address", lacking.address, "--out", run)
        done = genretune("search", space, "--data", corpus, *where)
        assert done.returncode == 0, done.stderr
        assert not list(own_cache.glob("*.arrow")), "it sees the driver's pack"
        sent = subprocess.run(
            [sys.executable, "-c", SEND, lacking.address, str(store.path), store.samples_digest],
            capture_output=True,
            text=True,
            check=False,
        )
        assert sent.returncode == 0, sent.stderr
        (pack,) = own_cache.glob("*.arrow")
        assert pack.read_bytes() == store.path.read_bytes()
    assert leaderboard_of(run) == leaderboard_of(finished)
    result = json.loads((run / "trials/00000/result.json").read_text())
    assert result["segments"][0]["environment"]["git_commit"] is None, "it ran from the wheel"


@pytest.mark.long
def test_machine_classes_must_be_chosen_and_are_kept(
    corpus: Path, space: Path, tmp_path: Path, genretune: Genretune
) -> None:
    with local_nodes(0) as local_cluster:
        local_cluster.add_node(cpus=1)
        local_cluster.add_node(cpus=1, environment={"ATEN_CPU_CAPABILITY": "avx2"})
        how = (
            "--data",
            corpus,
            "--address",
            local_cluster.address,
            "trial.determinism=off",
            "trials=3",
        )
        run = tmp_path / "run"
        refused = genretune("search", space, *how, "--out", run)
        assert refused.returncode == 2
        assert "got 2 machine classes" in refused.stderr and "--allow-mixed" in refused.stderr
        mixed = genretune("search", space, *how, "--out", run, "--allow-mixed")
        assert mixed.returncode == 0, mixed.stderr
        assert "machine class" in mixed.stdout and "within one machine class only" in mixed.stdout
        for folder in (run / "trials").iterdir():
            result = json.loads((folder / "result.json").read_text())
            classes = {s["environment"]["machine_class"] for s in result["segments"]}
            assert len(classes) == 1, f"{folder.name} stays on its machine class"

        one = tmp_path / "one"
        chosen = genretune("search", space, *how, "--out", one, "--machine-class", "avx2")
        assert chosen.returncode == 0, chosen.stderr
        for folder in (one / "trials").iterdir():
            result = json.loads((folder / "result.json").read_text())
            for segment in result["segments"]:
                assert "AVX2" in segment["environment"]["machine_class"]
        other = genretune("resume", one, "--trials", "+1")
        assert other.returncode == 5 and "--accept-new-environment" in other.stderr
        accepted = genretune("resume", one, "--trials", "+1", "--accept-new-environment")
        assert accepted.returncode == 0, accepted.stderr


@pytest.mark.long
def test_a_segment_that_waits_for_no_node_is_ordered_anew(
    corpus: Path, space: Path, tmp_path: Path, events_of: Rows
) -> None:
    run = tmp_path / "run"
    with local_nodes(1, cpus=2) as one:
        done = subprocess.run(
            [sys.executable, "-c", OUTDATED, *map(str, (space, corpus, run, one.address))],
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.stdout.splitlines()[-1] == "finished [0, 1, 0, 1]", done.stderr
    assert not [event for event in events_of(run) if event["event"] == "lost"]
