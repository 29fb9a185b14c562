"""What is known before a sweep begins: its machine class and the memory of its segments."""

import psutil
import pytest

from genretune.tune.dispatch.driver_job import DriverJob
from genretune.tune.dispatch.join import Workers, join
from genretune.tune.dispatch.nodes.description import Node, NodeRequirements
from genretune.tune.dispatch.nodes.nodes import Nodes
from genretune.tune.dispatch.run_options import Resources, RunOptions
from genretune.tune.errors import TuneError


def test_a_machine_class_that_this_machine_is_not_is_refused() -> None:
    job = DriverJob(
        run="none",
        device="cpu",
        level="strict",
        resources=Resources(1.0, 0.0),
        store="none",
        samples="none",
        plugins=(),
        environment={"machine_class": "Intel AVX2 [fma], torch 2"},
        options=RunOptions(machine_class="nonsense"),
    )
    message = "--machine-class: must be part .* got nonsense .Intel AVX2 .fma., torch 2 on this"
    with pytest.raises(TuneError, match=message), join(job, {}):
        pass


def workers(resources: Resources, memory: int, *, gpu: bool) -> Workers:
    nodes = Nodes(NodeRequirements("cuda", "strict", "/store", "abc"), resources)
    facts = {"gpu": "Fake GPU"} if gpu else {}
    nodes.known["a"] = Node("a", "host/a", "class", True, memory=memory, gpu=facts)
    nodes._alive["a"] = {"Resources": {"CPU": 8.0, "GPU": 2.0}, "NodeManagerHostname": "host"}
    return Workers({}, resources, nodes)


def test_a_trial_that_needs_more_than_its_share_of_a_gpu_is_warned_of() -> None:
    shared = workers(Resources(1.0, 0.25), 8_000_000_000, gpu=True)
    assert shared.memory_warning(1_900_000_000) is None
    warning = shared.memory_warning(2_100_000_000)
    assert warning is not None
    assert "needs about 2.1 GB by estimate, and a segment is granted 2.0 GB" in warning
    assert shared.memory_warning(None) is None


def test_on_cpus_it_is_the_nodes_memory_that_trials_share() -> None:
    node = workers(Resources(1.0, 0.0), 8_000_000_000, gpu=False)
    assert node.memory_warning(900_000_000) is None
    assert node.memory_warning(1_100_000_000) is not None
    here = Workers({}, Resources(1.0, 0.0), None, fixed_capacity=2)
    half = psutil.virtual_memory().total // 2
    assert here.memory_warning(half) is None and here.memory_warning(half + 1) is not None
