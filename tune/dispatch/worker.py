"""What runs on a worker: one segment of one trial, reported to the driver after each epoch."""

import functools
import platform
import time
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from ray import tune as ray_tune

from genretune.data.store import Store
from genretune.models.errors import ModelError
from genretune.models.plugins import Plugin, load_plugin
from genretune.tune.config import Device, TrialConfig, trial_config
from genretune.tune.corpus import open_data
from genretune.tune.environment import machine_class
from genretune.tune.errors import RunFailure, TuneError
from genretune.tune.levels import Level
from genretune.tune.records import TrialFolder
from genretune.tune.run_trial import in_one_line, run_trial
from genretune.tune.rundir import Lease, RunFolder
from genretune.tune.space.load import space_from_json

_SENDING = 120.0  # s that samples may take to a node that has just joined


def work(order: Mapping[str, Any]) -> None:
    """Run one segment.

    A trial's own fault is reported as its end; what is raised here is infrastructure's.

    Args:
        order: ``run`` (directory), ``trial``, ``generation``, ``attempt``, ``patience``,
            ``metric``, ``store`` (path of the pack on the driver), ``plugins`` (paths),
            ``machine_class`` (that the trial keeps to, if any), ``parameters``, ``seed``.
    """
    lease = Lease(order["generation"], order["attempt"], order["patience"])
    folder = RunFolder(Path(order["run"])).trial(order["trial"], lease=lease)
    folder.wait_for_storage()
    sweep = _sweep(order["run"])
    _keep_to(order.get("machine_class"), sweep["device"], sweep["determinism"])
    data = sweep["data"]
    store = _store(order["store"], data["samples"], data["sample_rate"])
    plugins = {Path(path).name: _plugin(path) for path in order["plugins"]}

    def report(record: Mapping[str, Any]) -> bool:
        # Ray ends the segment inside this call, once everything is on disk
        ray_tune.report(
            {
                "epoch": record["epoch"],
                "value": record[order["metric"]],
                "weights_sha256": record["weights_sha256"],
                "seconds": record["seconds"],
            }
        )
        return True

    folder.path.mkdir(parents=True, exist_ok=True)
    with open(folder.path / "stdout.log", "a") as log, redirect_stdout(log), redirect_stderr(log):
        try:
            config = _config(folder, sweep, order, plugins)
            outcome = run_trial(config, store, folder, on_report=report, plugins=plugins)
            end = {"ended": outcome.status, "epochs": len(outcome.history), "why": outcome.why}
        except RunFailure:
            raise
        except Exception as error:
            result = folder.result()
            epochs = len(result["history"]) if result else 0
            own_words = isinstance(error, TuneError | ModelError)
            why = str(error).splitlines()[0] if own_words else in_one_line(error)
            end = {"ended": "failed", "epochs": epochs, "why": why}
    ray_tune.report(end)


def _config(
    folder: TrialFolder,
    sweep: Mapping[str, Any],
    order: Mapping[str, Any],
    plugins: Mapping[str, Plugin],
) -> TrialConfig:
    """The trial's configuration, written before anything runs.

    Raises:
        TuneError, ModelError: these parameters do not go together.
    """
    if (folder.path / "config.json").exists():
        return trial_config(folder.config(), plugins=plugins)
    space = space_from_json(sweep["space"])
    settings = space.configure(order["parameters"])
    settings |= {"seed": order["seed"], "data": sweep["data"], "device": sweep["device"]}
    config = trial_config(settings, plugins=plugins)
    folder.write_config(config)
    return config


@functools.lru_cache(maxsize=2)
def _sweep(run: str) -> dict[str, Any]:
    return RunFolder(Path(run)).sweep()


def _keep_to(wanted: str | None, device: Device, level: Level) -> None:
    """Raise RunFailure on a node of another machine class: one that has just joined, say."""
    found = machine_class(device, level)
    if wanted is not None and found != wanted:
        raise RunFailure(f"{platform.node()}: must be of class {wanted}, got {found}")


@functools.lru_cache(maxsize=2)
def _store(path: str, samples: str, sample_rate: int) -> Store:
    """The corpus: the driver's pack where this node sees it, else the one sent to its cache."""
    if Path(path).exists():
        store = Store(Path(path))
        if store.samples_digest == samples:
            return store
    end = time.monotonic() + _SENDING
    while True:
        try:
            return open_data(None, samples=samples, sample_rate=sample_rate)
        except TuneError:
            if time.monotonic() > end:
                raise
        time.sleep(1.0)


@functools.lru_cache(maxsize=16)
def _plugin(path: str) -> Plugin:
    return load_plugin(Path(path))
