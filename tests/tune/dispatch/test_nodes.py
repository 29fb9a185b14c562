"""Machine classes of a cluster: one, a named one, or mixed on request."""

import pytest

from genretune.tune.dispatch.nodes import Node, NodeRequirements, Nodes
from genretune.tune.errors import TuneError

AVX2, AVX512 = "Intel AVX2 [avx2 fma], torch 2", "Intel AVX512 [avx2 avx512f], torch 2"


def nodes(*classes: str) -> Nodes:
    found = Nodes(NodeRequirements("cpu", "strict", "/store", "abc"), {"CPU": 1.0})
    for index, name in enumerate(classes):
        node = Node(f"id{index}", f"host/{index}", name, has_store=True)
        found.known[node.id] = node
    return found


def test_one_class_needs_no_word() -> None:
    one = nodes(AVX2, AVX2)
    assert one.choose(None, mixed=False) == AVX2
    assert one.other_classes(AVX2) == []


def test_several_are_asked_about() -> None:
    with pytest.raises(TuneError, match=r"got 2 machine classes: Intel AVX2 .* on host/0; Intel"):
        nodes(AVX2, AVX512).choose(None, mixed=False)
    assert nodes(AVX2, AVX512).choose(None, mixed=True) is None


def test_a_class_is_named_by_a_part_outside_its_list_of_extensions() -> None:
    found = nodes(AVX2, AVX512, AVX512)
    assert found.choose("avx2", mixed=False) == AVX2
    assert found.other_classes(found.chosen) == ["id1", "id2"]
    for name in ("intel", "sparc"):
        with pytest.raises(TuneError, match="--machine-class: must be part of one class's name"):
            found.choose(name, mixed=False)
