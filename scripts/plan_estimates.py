"""What ``plan`` finds out beside the simulation: sizes on disk, and a few timed steps."""

import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from genretune.data.errors import DataError
from genretune.data.splits import fold_windows
from genretune.data.store import Store
from genretune.data.windows import WindowSet, window_length
from genretune.models.errors import ModelError
from genretune.tune.errors import TuneError
from genretune.tune.reproducibility import determinism
from genretune.tune.run.sweep_setup import Sweep, located, probes
from genretune.tune.space.space import Space
from genretune.tune.space.tree import FlatConfig
from genretune.tune.sweep.plan import Plan
from genretune.tune.sweep.state_machine import trial_seed
from genretune.tune.training.components import FoldSubset, Plugins, build_components, build_network
from genretune.tune.training.config import TrialConfig
from genretune.tune.training.epoch import evaluate, train_epoch
from genretune.tune.training.resolve_config import trial_config
from genretune.tune.trial.corpus import open_data
from genretune.tune.trial.standalone import load_plugins

_FILES_A_TRIAL = 4
"""config.json, result.json, metrics.tsv, stdout.log; checkpoints come beside."""
_FILES_A_RUN = 6
_CLASSES = 10
_TIMED_BATCHES = 3


@dataclass(frozen=True)
class Measured:
    """A configuration's cost.

    Attributes:
        train_ms: of a training window, forward, backward and step.
        evaluation_ms: of a validation window.
        peak_mb: resident memory of the process that trained it.
        epoch_seconds: of a whole epoch on this corpus.
    """

    trial: int
    train_ms: float
    evaluation_ms: float
    peak_mb: float
    epoch_seconds: float


def check_without_data(space: Space, plugins: Plugins) -> None:
    """Every categorical value once, as ``search`` does, without a corpus.

    Raises:
        TuneError: one line for each thing that is wrong, with its place in the file.
    """
    wrong: dict[str, None] = {}
    for parameters in probes(space):
        try:
            _network_bytes(space, parameters, plugins)
        except (TuneError, ModelError, DataError) as error:
            wrong |= dict.fromkeys(located(space, line) for line in str(error).splitlines())
    if wrong:
        raise TuneError("\n".join(wrong))


def disk(space: Space, plan: Plan, plugins: Plugins) -> dict[str, Any]:
    """What a sweep takes on disk, by the largest of some configurations."""
    some = [*plan.first, *probes(space)]
    size = max(_network_bytes(space, parameters, plugins) for parameters in some)
    checkpoints = {
        "usual": 2 * plan.completed,
        "best": plan.completed,
        "all": 3 * plan.trials,
        "none": 0,
    }[space.keep]
    return {
        "keep": space.keep,
        "disk_bytes": round(size * checkpoints),
        "files": round(_FILES_A_TRIAL * plan.trials + checkpoints) + _FILES_A_RUN,
        "open_trial_bytes": 3 * size,
    }


def windows_of(sweep: Sweep) -> tuple[int, int]:
    """Training and validation windows of the sweep's fold."""
    part = sweep.config(probes(sweep.space)[0], 0).data
    fold = fold_windows(sweep.store, split=part.split, window=part.window, exclude=part.exclude)
    return len(fold.train), len(fold.validation)


def measure(sweep: Sweep, first: Sequence[FlatConfig]) -> list[Measured]:
    """Time a few steps of each configuration, each in a process of its own."""
    found = []
    windows = windows_of(sweep)
    for trial, parameters in enumerate(first):
        config = sweep.config(parameters, trial_seed(sweep.space, trial))
        with get_context("spawn").Pool(1) as pool:
            order = (config, sweep.store.samples_digest, sweep.plugin_files)
            train, validation, peak = pool.apply(_timed, order)
        seconds = windows[0] * train + windows[1] * validation
        found.append(Measured(trial, train * 1e3, validation * 1e3, peak / 1e6, seconds))
    return found


def _timed(
    config: TrialConfig, samples: str, plugin_files: Sequence[Path]
) -> tuple[float, float, float]:
    """Seconds of a training and of a validation window, and the process's peak memory in bytes."""
    store: Store = open_data(None, samples=samples)
    determinism.apply(config.determinism, threads=config.threads, precision=config.precision)
    parts = build_components(config, store, load_plugins(plugin_files))
    count = config.batch_size * _TIMED_BATCHES
    parts = replace(
        parts, train=_part(parts.train, count), validation=_part(parts.validation, count)
    )
    train_epoch(parts, 1)  # what is made at the first step is not timed
    started = time.perf_counter()
    train_epoch(parts, 2)
    trained = time.perf_counter()
    evaluate(parts, parts.validation)
    evaluated = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak_bytes = peak if sys.platform == "darwin" else peak * 1024
    return (
        (trained - started) / len(parts.train),
        (evaluated - trained) / len(parts.validation),
        float(peak_bytes),
    )


def _part(side: FoldSubset, count: int) -> FoldSubset:
    """The first windows of a side."""
    windows = WindowSet(side.windows.clip[:count], side.windows.start[:count])
    return FoldSubset(windows=windows, target=side.target[:count], room=side.room[:count])


def _config(space: Space, parameters: FlatConfig, plugins: Plugins) -> TrialConfig:
    settings: dict[str, Any] = space.configure(parameters)
    rate = space.data.sample_rate or 22050
    data = {"samples": "0" * 64, "sample_rate": rate}
    data |= {"split": space.data.split, "window": space.data.window}
    return trial_config(settings | {"seed": 0, "data": data}, plugins=plugins)


def _network_bytes(space: Space, parameters: FlatConfig, plugins: Plugins) -> int:
    """A checkpoint: weights, and two moments of each as Adam has them."""
    config = _config(space, parameters, plugins)
    samples = window_length(config.data.window, config.data.sample_rate)
    _, model = build_network(
        config, classes=_CLASSES, samples=samples, plugins=plugins, model_device="meta"
    )
    return 3 * sum(p.numel() * p.element_size() for p in model.parameters())
