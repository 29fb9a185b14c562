"""Weights of nodes are compared within a machine class."""

from typing import Any

from genretune.tune.dispatch.doctor.training_check import compare_weights


def trained(weights: str, machine_class: str = "one") -> dict[str, Any]:
    return {
        "weights_sha256": weights * 64,
        "machine_class": machine_class,
        "device": "cpu",
        "seconds": 0.5,
    }


def severities(results: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {one.node: one.severity for one in compare_weights(results)}


def test_nodes_that_agree_pass() -> None:
    findings = compare_weights({name: trained("a") for name in "xyz"})
    assert [one.severity for one in findings] == ["ok"] * 3
    assert (
        findings[0].found == f"weights {'a' * 12} after an epoch on cpu, 0.5 s, as on 2 other nodes"
    )


def test_a_single_node_passes() -> None:
    (finding,) = compare_weights({"x": trained("a")})
    assert finding.severity == "ok" and "other" not in finding.found


def test_the_node_that_differs_from_most_fails() -> None:
    results = {"x": trained("a"), "y": trained("b"), "z": trained("a")}
    assert severities(results) == {"x": "ok", "y": "FAILED", "z": "ok"}
    failed = compare_weights(results)[1]
    assert "aaaaaaaaaaaa on 2 of 3 nodes of its machine class" in failed.found
    assert failed.remedy


def test_two_nodes_that_differ_both_fail() -> None:
    assert severities({"x": trained("a"), "y": trained("b")}) == {"x": "FAILED", "y": "FAILED"}


def test_other_machine_classes_may_differ() -> None:
    assert severities({"x": trained("a"), "y": trained("b", "two")}) == {"x": "ok", "y": "ok"}


def test_an_error_fails_with_a_remedy() -> None:
    results = {"x": {"error": "out of memory"}, "y": trained("a")}
    assert severities(results) == {"x": "FAILED", "y": "ok"}
    assert "--resources" in compare_weights(results)[0].remedy
