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
from genretune.tune.errors import RunFailure, TuneError
from genretune.tune.reproducibility.environment import machine_class
from genretune.tune.reproducibility.literals import Device, Level
from genretune.tune.space.load import space_from_json
from genretune.tune.training.config import TrialConfig
from genretune.tune.training.resolve_config import trial_config
from genretune.tune.trial.corpus import open_data
from genretune.tune.trial.run_trial import in_one_line, run_trial
from genretune.tune.trial.workspace import TrialWorkspace, open_workspace

_SENDING = 120.0  # s that samples may take to a node that has just joined


def work(order: Mapping[str, Any]) -> None:
    """Run one segment.

    A trial's own fault is reported as its end; what is raised here is infrastructure's.

    Args:
        order: ``run`` (directory; or ``storage``, a URI), ``trial``, ``generation``, ``attempt``,
            ``patience``, ``metric``, ``store`` (path of the pack on the driver), ``plugins``
            (paths), ``machine_class`` (that the trial keeps to, if any), ``parameters``, ``seed``.
    """
    with open_workspace(order) as workspace:
        sweep = workspace.sweep
        _keep_to(order.get("machine_class"), sweep["device"], sweep["determinism"])
        data = sweep["data"]
        store = _store(order["store"], data["samples"], data["sample_rate"])
        with open(workspace.folder.path / "stdout.log", "a") as log:
            with redirect_stdout(log), redirect_stderr(log):
                end = _run(order, workspace, store)
        if end["ended"] != "completed":
            workspace.keep_end()
        ray_tune.report(end)


def _run(order: Mapping[str, Any], workspace: TrialWorkspace, store: Store) -> dict[str, Any]:
    """Train, reporting every epoch; how the trial ended."""

    def report(record: Mapping[str, Any]) -> bool:
        workspace.keep(record["epoch"])
        # Ray ends the segment inside this call, once everything is safe
        ray_tune.report(
            {
                "epoch": record["epoch"],
                "value": record[order["metric"]],
                "weights_sha256": record["weights_sha256"],
                "seconds": record["seconds"],
            }
        )
        return True

    folder, plugins = workspace.folder, workspace.plugins
    try:
        config = _config(order, workspace)
        outcome = run_trial(config, store, folder, on_report=report, plugins=plugins)
        return {"ended": outcome.status, "epochs": len(outcome.history), "why": outcome.why}
    except RunFailure:
        raise
    except Exception as error:
        result = folder.result()
        epochs = len(result["history"]) if result else 0
        own_words = isinstance(error, TuneError | ModelError)
        why = str(error).splitlines()[0] if own_words else in_one_line(error)
        return {"ended": "failed", "epochs": epochs, "why": why}


def _config(order: Mapping[str, Any], workspace: TrialWorkspace) -> TrialConfig:
    """The trial's configuration, written before anything runs.

    Raises:
        TuneError, ModelError: these parameters do not go together.
    """
    folder, sweep = workspace.folder, workspace.sweep
    if (folder.path / "config.json").exists():
        return trial_config(folder.config(), plugins=workspace.plugins)
    space = space_from_json(sweep["space"])
    settings = space.configure(order["parameters"])
    settings |= {"seed": order["seed"], "data": sweep["data"], "device": sweep["device"]}
    config = trial_config(settings, plugins=workspace.plugins)
    folder.write_config(config)
    return config


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
