"""Estimates of ``plan`` besides the simulation: disk usage, windows, and timed training steps."""

import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from genretune.data.errors import DataError
from genretune.data.splits.fold_windows import fold_windows
from genretune.data.store import Store
from genretune.data.windows import WindowSet, window_length
from genretune.models.errors import ModelError
from genretune.tune.errors import TuneError
from genretune.tune.reproducibility import determinism
from genretune.tune.run.sweep_setup import Sweep, add_location
from genretune.tune.space.probe import probe_configurations
from genretune.tune.space.space import Space
from genretune.tune.space.tree import FlatConfig
from genretune.tune.sweep.plan import Plan
from genretune.tune.sweep.trial_sampling import trial_seed
from genretune.tune.training.components import FoldSubset, Plugins, build_components, build_network
from genretune.tune.training.config import TrialConfig
from genretune.tune.training.epoch import evaluate, train_epoch
from genretune.tune.training.resolve_config import trial_config
from genretune.tune.trial.corpus import open_data
from genretune.tune.trial.standalone import load_plugins

_FILES_PER_TRIAL = 4
"""config.json, result.json, metrics.tsv, stdout.log, without checkpoints."""
_FILES_PER_RUN = 6
_CLASSES = 10
"""Assumed for disk usage: the size of a network hardly depends on the number of classes."""
_TIMED_BATCHES = 3


@dataclass(frozen=True)
class TrialCost:
    """The measured cost of a configuration.

    Attributes:
        trial: its index in the sweep.
        train_ms: milliseconds per training window: forward, backward and optimizer step.
        evaluation_ms: milliseconds per validation window.
        peak_mb: peak resident memory of the process, in MB.
        epoch_seconds: estimated seconds of a whole epoch on this corpus.
    """

    trial: int
    train_ms: float
    evaluation_ms: float
    peak_mb: float
    epoch_seconds: float


def check_without_data(space: Space, plugins: Plugins) -> None:
    """Check the configurations that ``search`` checks, as far as that needs no corpus.

    Raises:
        TuneError: one line for each error, with the line of the space file.
    """
    errors: dict[str, None] = {}
    for parameters in probe_configurations(space):
        try:
            _checkpoint_bytes(space, parameters, plugins)
        except (TuneError, ModelError, DataError) as error:
            errors |= dict.fromkeys(add_location(space, line) for line in str(error).splitlines())
    if errors:
        raise TuneError("\n".join(errors))


def disk_usage(space: Space, plan: Plan, plugins: Plugins) -> dict[str, Any]:
    """Return the expected disk usage of a sweep, as facts of the plan.

    An upper bound for networks of different sizes: each counts as the largest one found.
    """
    configurations = [*plan.first, *probe_configurations(space)]
    size = max(_checkpoint_bytes(space, parameters, plugins) for parameters in configurations)
    checkpoints = {
        "usual": 2 * plan.completed,
        "best": plan.completed,
        "all": 3 * plan.trials,
        "none": 0,
    }[space.keep]
    return {
        "keep": space.keep,
        "disk_bytes": round(size * checkpoints),
        "files": round(_FILES_PER_TRIAL * plan.trials + checkpoints) + _FILES_PER_RUN,
        "open_trial_bytes": 3 * size,  # the last two and the best
    }


def count_windows(sweep: Sweep) -> tuple[int, int]:
    """Return the number of training and of validation windows in the sweep's fold."""
    data = sweep.config(probe_configurations(sweep.space)[0], 0).data
    fold = fold_windows(sweep.store, split=data.split, window=data.window, exclude=data.exclude)
    return len(fold.train), len(fold.validation)


def measure(sweep: Sweep, configurations: Sequence[FlatConfig]) -> list[TrialCost]:
    """Time a few steps of each configuration.

    Args:
        configurations: of the first trials, in order.
    """
    costs = []
    train_windows, validation_windows = count_windows(sweep)
    for trial, parameters in enumerate(configurations):
        config = sweep.config(parameters, trial_seed(sweep.space, trial))
        arguments = (config, sweep.store.samples_digest, sweep.plugin_files)
        # A process for each: peak memory never decreases, and torch's settings are global.
        with get_context("spawn").Pool(1) as pool:
            train, validation, peak = pool.apply(_time_steps, arguments)
        seconds = train_windows * train + validation_windows * validation
        costs.append(TrialCost(trial, train * 1e3, validation * 1e3, peak / 1e6, seconds))
    return costs


def _time_steps(
    config: TrialConfig, samples: str, plugin_files: Sequence[Path]
) -> tuple[float, float, float]:
    """Return seconds per training window and per validation window, and peak memory in bytes."""
    store: Store = open_data(None, samples=samples)
    determinism.apply(config.determinism, threads=config.threads, precision=config.precision)
    components = build_components(config, store, load_plugins(plugin_files))
    count = config.batch_size * _TIMED_BATCHES
    components = replace(
        components,
        train=_first_windows(components.train, count),
        validation=_first_windows(components.validation, count),
    )
    train_epoch(components, 1)  # warm-up: the first steps allocate memory and choose kernels
    started = time.perf_counter()
    train_epoch(components, 2)
    trained = time.perf_counter()
    evaluate(components, components.validation)
    evaluated = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak_bytes = peak if sys.platform == "darwin" else peak * 1024  # KiB on Linux
    return (
        (trained - started) / len(components.train),
        (evaluated - trained) / len(components.validation),
        float(peak_bytes),
    )


def _first_windows(subset: FoldSubset, count: int) -> FoldSubset:
    windows = WindowSet(subset.windows.clip[:count], subset.windows.start[:count])
    return FoldSubset(
        windows=windows, target=subset.target[:count], max_offset=subset.max_offset[:count]
    )


def _config(space: Space, parameters: FlatConfig, plugins: Plugins) -> TrialConfig:
    settings: dict[str, Any] = space.configure(parameters)
    rate = space.data.sample_rate or 22050
    data = {"samples": "0" * 64, "sample_rate": rate}
    data |= {"split": space.data.split, "window": space.data.window}
    return trial_config(settings | {"seed": 0, "data": data}, plugins=plugins)


def _checkpoint_bytes(space: Space, parameters: FlatConfig, plugins: Plugins) -> int:
    """Return the size of a checkpoint: the weights, and two moments of each as Adam keeps them."""
    config = _config(space, parameters, plugins)
    samples = window_length(config.data.window, config.data.sample_rate)
    _, model = build_network(
        config, classes=_CLASSES, samples=samples, plugins=plugins, model_device="meta"
    )
    return 3 * sum(p.numel() * p.element_size() for p in model.parameters())
