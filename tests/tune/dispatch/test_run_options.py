"""Resources of a trial against those of a node."""

import pytest

from genretune.tune.dispatch.run_options import Resources


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        (Resources(1.0, 0.0), 4),
        (Resources(1.0, 0.25), 4),
        (Resources(0.5, 0.25), 8),
        (Resources(1.0, 2.0), 1),
        (Resources(8.0, 0.0), 0),
        (Resources(0.0, 0.0), 1_000_000),
    ],
)
def test_how_many_trials_a_node_can_run(resources: Resources, expected: int) -> None:
    assert resources.trials_within({"CPU": 4.0, "GPU": 2.0}) == expected


def test_a_trial_with_a_gpu_fits_on_no_node_without_one() -> None:
    assert Resources(1.0, 1.0).trials_within({"CPU": 4.0}) == 0
