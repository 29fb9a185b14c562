"""Segments without training, and a plain Ray Tune script that does the same.

The driver process imports this module, so torch is imported inside functions only.
"""

import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil

from genretune.tune.dispatch.messages import EpochReport, TrialEnd, to_json
from genretune.tune.storage.run_dir import Lease, RunDir


def idle_segment(order: Mapping[str, Any]) -> None:
    """Report one epoch without training, with the records that a trial writes."""
    import torch
    from ray import tune as ray_tune

    from genretune.tune.trial.trial_dir import open_trial_dir

    lease = Lease(order["generation"], order["attempt"])
    folder = open_trial_dir(RunDir(Path(order["run"])), order["trial"], lease=lease)
    value = float(torch.tensor(order["trial"] + 1.0))
    record = EpochReport(epoch=1, value=value, weights_sha256="0" * 64, seconds=0.0)
    folder.write_result({"status": "completed", "why": "done", "history": [asdict(record)]})
    ray_tune.report(to_json(record))
    ray_tune.report(to_json(TrialEnd("completed", 1, "all epochs")))


def sleeping_segment(order: Mapping[str, Any]) -> None:
    """Report one epoch after 20 s; append its start and end to ``starts.log`` of the run."""
    began = time.time()
    time.sleep(20.0)
    with open(Path(order["run"]) / "starts.log", "a") as log:
        log.write(f"{order['trial']} {began} {time.time()}\n")
    idle_segment(order)


def plain_script(trials: int, workers: int) -> dict[str, float]:
    """Run no-op trials as a simple Ray Tune script does: new processes, default loggers."""
    import ray
    from ray import tune as ray_tune

    ray.init(address="local", num_cpus=workers, include_dashboard=False)
    tuner = ray_tune.Tuner(
        _plain_trial,
        param_space={"x": ray_tune.uniform(0.0, 1.0)},
        tune_config=ray_tune.TuneConfig(num_samples=trials, metric="value", mode="min"),
    )
    began = time.monotonic()
    results = tuner.fit()
    seconds = time.monotonic() - began
    facts = {
        "seconds": seconds,
        "per_trial": seconds / trials,
        "memory_mb": memory_mb(),
        "files": float(sum(path.is_file() for path in Path(results.experiment_path).rglob("*"))),
    }
    ray.shutdown()
    return facts


def _plain_trial(config: Mapping[str, float]) -> None:
    import torch
    from ray import tune as ray_tune

    ray_tune.report({"value": float(torch.tensor(config["x"]))})


def memory_mb() -> float:
    """Return the resident memory of this process in MB (10^6 bytes)."""
    return float(psutil.Process().memory_info().rss) / 1e6
