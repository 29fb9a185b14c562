"""A training without a sweep: from settings and a corpus to a trial's folder."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

from genretune.data.specs import SplitSpec, read_spec
from genretune.data.splits.fold_windows import split_clips
from genretune.data.splits.leakage import LeakagePolicy, LeakageReport, enforce_leakage_policy
from genretune.data.splits.split_file import resolve_split
from genretune.models.plugins import Plugin, load_plugin, merge
from genretune.tune.errors import RecordMismatch, RunFailure, TuneError
from genretune.tune.metric_names import METRICS
from genretune.tune.reproducibility.environment import require_device
from genretune.tune.training.config import TrialConfig
from genretune.tune.training.metrics import best_epoch
from genretune.tune.training.preflight import check_components, windows_of_fold
from genretune.tune.training.resolve_config import trial_config
from genretune.tune.training.train import Outcome
from genretune.tune.trial.checkpoint_file import CheckpointRetention
from genretune.tune.trial.corpus import Progress, Store, open_data, resolve_exclusions
from genretune.tune.trial.epoch_saver import CheckpointSchedule, OnTrained
from genretune.tune.trial.run_trial import run_trial
from genretune.tune.trial.trial_dir import TrialDir


@dataclass(frozen=True)
class StandaloneTrial:
    """A configuration with the packed corpus and plug-ins that it needs.

    Attributes:
        leakage: policy for clips, groups or duplicates that are both trained and validated on.
    """

    config: TrialConfig
    store: Store
    plugins: dict[str, Plugin]
    leakage: LeakagePolicy = "error"

    def folds(self) -> list["StandaloneTrial"]:
        """Return the same trial on every fold of its split.

        Raises:
            TuneError: the split has only one fold.
        """
        data = self.config.data
        numbers = sorted(split_clips(self.store, data.split, data.exclude))
        if len(numbers) < 2:
            raise TuneError(
                f"--fold: all needs a split with several folds, got {data.split.name} with "
                f"{len(numbers)} (name a fold, or another split)"
            )
        return [self.on_fold(number) for number in numbers]

    def on_fold(self, fold: int) -> "StandaloneTrial":
        """Return the same trial on another fold.

        Raises:
            DataError: the split has no such fold.
        """
        settings = self.config.data.split.model_dump() | {"fold": fold}
        split = read_spec(SplitSpec, settings, "data.split")
        data = self.config.data.model_copy(update={"split": split})
        return replace(self, config=self.config.model_copy(update={"data": data}))

    def check(self) -> LeakageReport:
        """Check that the trial can be built, and return what leaks between its folds.

        Raises:
            TuneError, DataError, ModelError: it cannot be built, or something leaks and
                ``data.leakage`` is ``error``.
        """
        require_device(self.config.device)
        windows = windows_of_fold(self.config, self.store)
        check_components(self.config, self.store, windows, self.plugins)
        return enforce_leakage_policy(self.store, windows, self.config.data.split, self.leakage)


def prepare(
    settings: Mapping[str, Any],
    *,
    data: Path | None,
    plugins: Sequence[Path] = (),
    progress: Progress | None = None,
) -> StandaloneTrial:
    """Resolve settings against a corpus and plug-ins.

    Args:
        settings: keys of ``config.json``; without ``data.samples`` the corpus at ``data`` is
            used as it is, and ``data.exclude`` may name rules (``faults``, ``duplicates``);
            ``data.leakage`` (error, warn or off) applies to this run only and is not recorded.
        data: folder of the corpus; None to find it in the cache by ``data.samples``.
        plugins: the user's plug-in files.
        progress: called with the number of packed clips and their total while packing.

    Raises:
        TuneError, DataError, ModelError: the settings are invalid.
        RecordMismatch: the corpus or a plug-in differs from the one that the settings name.
    """
    loaded = load_plugins(plugins)
    check_plugins(settings.get("plugins", {}), loaded)
    data_settings = settings.get("data") or {}
    if not isinstance(data_settings, Mapping):
        raise TuneError(f"data: must be a mapping, got {data_settings!r}")
    data_settings = dict(data_settings)
    leakage = data_settings.pop("leakage", "error")
    if leakage not in get_args(LeakagePolicy):
        raise TuneError(f"data.leakage: must be error, warn or off, got {leakage!r}")
    rate = data_settings.get("sample_rate", 22050)
    samples = data_settings.get("samples")
    store = open_data(data, samples=samples, sample_rate=rate, progress=progress)
    exclude = resolve_exclusions(store, data_settings.get("exclude", ()))
    split = read_spec(SplitSpec, data_settings.get("split") or {}, "data.split")
    # Rules and split files are resolved to clip names here, so that config.json alone determines
    # the training data, whatever happens to those files later.
    resolved = {
        **data_settings,
        "samples": store.samples_digest,
        "exclude": exclude,
        "split": resolve_split(split, store).model_dump(mode="json"),
    }
    config = trial_config({"seed": 0, **settings, "data": resolved}, plugins=loaded)
    return StandaloneTrial(config, store, loaded, leakage)


def load_plugins(paths: Sequence[Path]) -> dict[str, Plugin]:
    """Load the plug-ins named on the command line, by file name.

    Raises:
        TuneError, ModelError: one is invalid, or two have the same file name or component.
    """
    loaded: dict[str, Plugin] = {}
    for path in paths:
        if path.name in loaded:
            raise TuneError(f"--plugin: file names must be unique, got {path.name} twice")
        loaded[path.name] = load_plugin(path)
    merge(loaded.values())
    return loaded


def check_plugins(recorded: Mapping[str, str], loaded: Mapping[str, Plugin]) -> None:
    """Raise RecordMismatch if a recorded plug-in is missing or has another digest."""
    if not isinstance(recorded, Mapping):
        raise RecordMismatch(f"plugins: must be a mapping from file to SHA-256, got {recorded!r}")
    for name, sha256 in recorded.items():
        if name != Path(name).name:
            raise RecordMismatch(f"plugins: must be file names without a folder, got {name!r}")
        if name not in loaded:
            raise RecordMismatch(
                f"--plugin: must include the recorded {name} (--plugin PATH/{name})"
            )
        if loaded[name].sha256 != sha256:
            raise RecordMismatch(
                f"--plugin: must be the recorded {name} (SHA-256 {str(sha256)[:12]}...), got "
                f"{loaded[name].sha256[:12]}... (use the recorded version)"
            )


def run_standalone(
    standalone: StandaloneTrial,
    path: Path,
    *,
    on_trained: OnTrained = lambda record: None,
    schedule: CheckpointSchedule = CheckpointSchedule(),  # noqa: B008 (frozen)
    retention: CheckpointRetention = CheckpointRetention(),  # noqa: B008 (frozen)
) -> Outcome:
    """Train in the folder ``path``, or resume the same trial there.

    Args:
        on_trained: called with the record of every epoch as soon as it is trained.
        schedule: which epochs get a checkpoint; by default all.
        retention: which checkpoints stay.

    Raises:
        TuneError: the folder holds something else.
    """
    trial_dir = TrialDir(path, retention=retention)
    if path.exists():
        if not (path / "config.json").exists() or (
            trial_dir.config() != standalone.config.model_dump(mode="json")
        ):
            raise TuneError(
                f"--out: must be new or hold the same trial, got {path} (choose another --out)"
            )
    else:
        trial_dir.write_config(standalone.config)

    return run_trial(
        standalone.config,
        standalone.store,
        trial_dir,
        on_report=lambda record: True,
        on_trained=on_trained,
        schedule=schedule,
        plugins=standalone.plugins,
    )


def summary(outcomes: Sequence[Outcome], metric: str) -> dict[str, dict[str, float]]:
    """Return mean and standard deviation of every metric over folds, at each fold's best epoch.

    Args:
        metric: selects the best epoch.

    Raises:
        RunFailure: fewer than two folds have finished an epoch.
    """
    histories = [outcome.history for outcome in outcomes if outcome.history]
    if len(histories) < 2:
        raise RunFailure(f"--fold: all needs at least two finished folds, got {len(histories)}")
    best = [history[best_epoch(history, metric) - 1] for history in histories]
    return {
        name: {
            "mean": statistics.fmean(record[name] for record in best),
            "std": statistics.stdev(record[name] for record in best),
        }
        for name in METRICS
    }
