"""Scores to minimise: the direction of each metric, and values that are not finite."""

from genretune.tune.metric_names import METRICS, score


def test_a_lower_score_is_a_better_value_in_both_directions() -> None:
    assert score(0.2, "min") < score(0.3, "min")
    assert score(0.3, "max") < score(0.2, "max")


def test_a_value_that_is_not_finite_is_worse_than_any_other() -> None:
    assert score(None, "max") > score(-1e308, "max")
    assert score(None, "min") == score(None, "max") == float("inf")


def test_losses_are_minimised_and_all_other_metrics_maximised() -> None:
    for name, mode in METRICS.items():
        assert mode == ("min" if name.endswith("loss") else "max"), name
