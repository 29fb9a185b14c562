"""Every name of Ray that is not documented and that we rely on, so that an upgrade says what broke.

Each test names who uses it. pyproject.toml holds Ray to one minor version for this reason.
"""

import importlib.util
import inspect
import re
from pathlib import Path

import pytest
from ray.tune import Callback, PlacementGroupFactory
from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from genretune.tune.dispatch import cluster, driver, ray_adapters

FOUND = importlib.util.find_spec("ray")
assert FOUND is not None and FOUND.origin is not None
RAY = Path(FOUND.origin).parent


def test_ray_adapters_segment_scheduler() -> None:
    assert FIFOScheduler._supports_buffered_results is True, "else ours changes nothing"
    assert (TrialScheduler.CONTINUE, TrialScheduler.STOP) == ("CONTINUE", "STOP")
    signature = inspect.signature(TrialScheduler.on_trial_result)
    assert list(signature.parameters) == ["self", "tune_controller", "trial", "result"]


def test_ray_adapters_segment_searcher() -> None:
    assert Searcher.FINISHED == "FINISHED"
    assert list(inspect.signature(Searcher.suggest).parameters) == ["self", "trial_id"]


def test_ray_adapters_controller_callback() -> None:
    loop = inspect.getsource(TuneController.step)
    assert "on_step_begin" in loop, "our only clock"
    assert "iteration" in inspect.signature(Callback.on_step_begin).parameters


def test_ray_adapters_ray_segment() -> None:
    parameters = inspect.signature(TuneController._process_trial_failure).parameters
    assert list(parameters) == ["self", "trial", "exception"]
    trial = Trial("any", stub=True)
    assert trial.temporary_state.ray_actor is None
    assert {Trial.ERROR, Trial.TERMINATED} == {"ERROR", "TERMINATED"}
    assert trial.status == Trial.PENDING
    assert isinstance(Trial.error_file, property)


def test_ray_adapters_memory_that_is_freed_per_segment() -> None:
    trial = Trial("any", stub=True)
    assert vars(trial)["_default_result_or_future"] is None
    assert isinstance(trial.run_metadata.metric_analysis, dict)
    assert isinstance(trial.run_metadata.metric_n_steps, dict)


def test_ray_adapters_bundle_of() -> None:
    free = ray_adapters.bundle_of({"bundle": {"CPU": 1.0}, "excluded_nodes": []})
    assert isinstance(free, PlacementGroupFactory)
    order = {"bundle": {"CPU": 1.0}, "excluded_nodes": ["aa", "bb"]}
    assert ray_adapters.bundle_of(order)._kwargs == {
        "bundle_label_selector": [{"ray.io/node-id": "!in(aa,bb)"}]
    }


def variables() -> list[str]:
    """Environment variables of Ray that cluster.py and driver.py set."""
    text = "".join(inspect.getsource(module) for module in (cluster, driver))
    return sorted(set(re.findall(r'"((?:RAY|TUNE)_[A-Z_]+)"', text)))


@pytest.mark.parametrize("name", variables())
def test_ray_reads_the_variables_that_we_set(name: str) -> None:
    # configuration of Ray's C++ core is read there by the name without RAY_
    read_in_core = {"RAY_AUTH_MODE"}
    where = [RAY / "tune", RAY / "_private", RAY / "_common", RAY / "train", RAY / "air"]
    files = [path for folder in where for path in folder.rglob("*.py")]
    assert name in read_in_core or any(name in path.read_text(errors="ignore") for path in files)


def test_ray_errors_reads_the_file_that_ray_writes() -> None:
    text = (RAY / "tune" / "experiment" / "trial.py").read_text()
    assert "Failure # {}" in text or "Failure # " in text
