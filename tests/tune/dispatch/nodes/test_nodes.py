"""The machine class of a sweep on a cluster: the only one, a named one, or mixed on request."""

from dataclasses import asdict, replace

import pytest

from genretune.data.store import Store
from genretune.tune.dispatch.nodes.description import Node, NodeRequirements, describe_node
from genretune.tune.dispatch.nodes.nodes import Nodes
from genretune.tune.dispatch.run_options import Resources
from genretune.tune.errors import TuneError

AVX2, AVX512 = "Intel AVX2 [avx2 fma], torch 2", "Intel AVX512 [avx2 avx512f], torch 2"


def nodes_of(*machine_classes: str) -> Nodes:
    nodes = Nodes(NodeRequirements("cpu", "strict", "/store", "abc"), Resources(1.0, 0.0))
    for index, machine_class in enumerate(machine_classes):
        node = Node(f"id{index}", f"host/{index}", machine_class, has_store=True)
        nodes.known[node.id] = node
        nodes._alive[node.id] = {"Resources": {"CPU": 2.0}, "NodeManagerHostname": "host"}
    return nodes


def test_a_single_machine_class_is_chosen_without_an_option() -> None:
    nodes = nodes_of(AVX2, AVX2)
    assert nodes.choose_machine_class(None, allow_mixed=False) == AVX2
    assert nodes.excluded(AVX2) == []


def test_several_machine_classes_need_a_choice() -> None:
    nodes = nodes_of(AVX2, AVX512)
    with pytest.raises(TuneError, match=r"got 2 machine classes: Intel AVX2 .* on host/0; Intel"):
        nodes.choose_machine_class(None, allow_mixed=False)
    assert nodes.choose_machine_class(None, allow_mixed=True) is None
    assert nodes.excluded(None) == []


def test_a_part_of_the_name_chooses_unless_it_is_a_cpu_extension() -> None:
    nodes = nodes_of(AVX2, AVX512, AVX512)
    assert nodes.choose_machine_class("avx2", allow_mixed=False) == AVX2
    assert nodes.excluded(nodes.machine_class) == ["id1", "id2"]
    expected = "--machine-class: must be part of one machine class's name"
    for name in ("intel", "sparc"):
        with pytest.raises(TuneError, match=expected):
            nodes.choose_machine_class(name, allow_mixed=False)


def test_a_node_has_the_samples_by_digest_and_not_by_path(store: Store) -> None:
    requirements = asdict(NodeRequirements("cpu", "strict", str(store.path), ""))
    same = describe_node(requirements | {"samples": store.samples_digest})
    assert same["has_store"] and same["memory"] > 1e8 and not same["gpu"]
    assert not describe_node(requirements | {"samples": "0" * 64})["has_store"]


def test_sick_and_unready_nodes_get_no_segments() -> None:
    nodes = nodes_of(AVX2, AVX2, AVX2)
    nodes._alive["new"] = nodes._alive["id0"]  # not described yet
    nodes.known["id2"] = replace(nodes.known["id2"], has_store=False)
    assert (nodes.excluded(AVX2), nodes.capacity()) == (["id2", "new"], 4)
    nodes.health.set_aside("id1", "cannot describe itself")
    assert (nodes.excluded(AVX2), nodes.capacity()) == (["id1", "id2", "new"], 2)
    nodes.health.set_aside("id0", "cannot describe itself")
    assert (nodes.excluded(AVX2), nodes.capacity()) == (["id2", "new"], 4), "better than none"
