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
        (Resources(1.0, 3.0), 0),
        (Resources(8.0, 0.0), 0),
        (Resources(0.1, 0.0), 40),
        (Resources(0.0, 0.0), 1_000_000),
        # a fraction is placed on one GPU
        (Resources(0.0, 0.6), 2),
        (Resources(0.0, 0.2), 10),
        (Resources(0.0, 0.1), 20),
        (Resources(0.0, 1 / 3), 6),
        (Resources(0.0, 1 / 6), 12),
        (Resources(0.0, 1.0), 2),
    ],
)
def test_how_many_trials_a_node_can_run(resources: Resources, expected: int) -> None:
    assert resources.trials_within({"CPU": 4.0, "GPU": 2.0}) == expected


def test_a_trial_with_a_gpu_fits_on_no_node_without_one() -> None:
    assert Resources(1.0, 1.0).trials_within({"CPU": 4.0}) == 0


@pytest.mark.parametrize(
    ("resources", "device", "expected"),
    [
        (Resources(), "cpu", {"CPU": 3.0, "GPU": 0.0}),
        (Resources(), "cuda", {"CPU": 3.0, "GPU": 1.0}),
        (Resources(cpu=2.0), "cuda", {"CPU": 2.0, "GPU": 1.0}),
        (Resources(cpu=2.0), "cpu", {"CPU": 2.0, "GPU": 0.0}),
        (Resources(gpu=0.25), "cuda", {"CPU": 3.0, "GPU": 0.25}),
        (Resources(gpu=0.0), "cuda", {"CPU": 3.0, "GPU": 0.0}),
    ],
)
def test_what_is_left_out_is_resolved_by_device_and_threads(
    resources: Resources, device: str, expected: dict[str, float]
) -> None:
    assert resources.resolved(device, 3).bundle() == expected


def test_unresolved_resources_are_no_bundle() -> None:
    with pytest.raises(ValueError, match="must be resolved"):
        Resources(cpu=1.0).trials_within({"CPU": 4.0})
