"""Resources of a trial against those of a node."""

import pytest

from genretune.tune.dispatch.run_options import Resources, RunOptions
from genretune.tune.errors import TuneError


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


def device(setting: str, *, gpu: float | None = None, address: str = "local") -> str:
    options = RunOptions(address=address, resources=Resources(gpu=gpu))
    return options.device(setting, lambda: "cpu")


def test_granted_gpus_mean_cuda_wherever_the_driver_runs() -> None:
    assert device("auto", gpu=0.25, address="host:6379") == "cuda"
    assert device("auto", gpu=1.0) == "cuda"
    assert device("auto", gpu=0.0, address="auto") == "cpu"
    assert device("cuda", address="auto") == "cuda"
    assert device("auto") == "cpu", "what torch sees here"


@pytest.mark.parametrize(
    ("setting", "gpu", "address", "message"),
    [
        ("cpu", 1.0, "local", "gpu must be 0 for trial.device cpu, got gpu=1"),
        ("cuda", 0.0, "auto", "gpu must be above 0 for trial.device cuda, got gpu=0"),
        ("auto", None, "auto", "trial.device: must be known on a cluster, got auto"),
    ],
)
def test_contradictions_and_an_unknown_device_are_refused(
    setting: str, gpu: float | None, address: str, message: str
) -> None:
    with pytest.raises(TuneError, match=message):
        device(setting, gpu=gpu, address=address)
