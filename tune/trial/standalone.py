"""One training without a sweep: from settings and a corpus to a trial's folder."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

from genretune.data.leakage import LeakagePolicy, LeakageReport, gate
from genretune.data.specs import SplitSpec, read_spec
from genretune.data.split_file import resolve_split
from genretune.data.splits import split_clips
from genretune.models.plugins import Plugin, load_plugin, merge
from genretune.tune.errors import RecordMismatch, RunFailure, TuneError
from genretune.tune.metric_names import METRICS
from genretune.tune.reproducibility.environment import require_device
from genretune.tune.training.config import TrialConfig
from genretune.tune.training.metrics import best_epoch
from genretune.tune.training.preflight import check_fit, windows_of_fold
from genretune.tune.training.resolve_config import trial_config
from genretune.tune.training.train import Outcome
from genretune.tune.trial.corpus import Progress, Store, open_data, resolve_exclusions
from genretune.tune.trial.run_trial import run_trial
from genretune.tune.trial.trial_dir import CheckpointRetention, TrialDir


@dataclass(frozen=True)
class StandaloneTrial:
    """A configuration with the samples and the code that it asks for.

    Attributes:
        leakage: what to do about clips, groups or duplicates on two sides of the fold.
    """

    config: TrialConfig
    store: Store
    plugins: dict[str, Plugin]
    leakage: LeakagePolicy = "error"

    def folds(self) -> list["StandaloneTrial"]:
        """The same trial on every fold of its split.

        Raises:
            TuneError: there is one fold only.
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
        """The same trial on another fold.

        Raises:
            DataError: there is no such fold.
        """
        given = self.config.data.split.model_dump() | {"fold": fold}
        split = read_spec(SplitSpec, given, "data.split")
        data = self.config.data.model_copy(update={"split": split})
        return replace(self, config=self.config.model_copy(update={"data": data}))

    def check(self) -> LeakageReport:
        """What is on two sides of the fold, once it is sure that the trial can be built.

        Raises:
            TuneError, DataError, ModelError: it cannot, or something is on two sides and
                ``data.leakage`` is ``error``.
        """
        require_device(self.config.device)
        windows = windows_of_fold(self.config, self.store)
        check_fit(self.config, self.store, windows, self.plugins)
        return gate(self.store, windows, self.config.data.split, self.leakage)


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
            taken as it is, and ``data.exclude`` may name rules (``faults``, ``duplicates``);
            ``data.leakage`` (error, warn or off) is a matter of this run alone.
        progress: told how many clips are packed, where the corpus is not packed yet.

    Raises:
        TuneError, DataError, ModelError: something in them is wrong.
        RecordMismatch: the corpus or a plug-in is not the one that the settings name.
    """
    loaded = load_plugins(plugins)
    check_plugins(settings.get("plugins", {}), loaded)
    part = settings.get("data") or {}
    if not isinstance(part, Mapping):
        raise TuneError(f"data: must be a mapping, got {part!r}")
    part = dict(part)
    leakage = part.pop("leakage", "error")
    if leakage not in get_args(LeakagePolicy):
        raise TuneError(f"data.leakage: must be error, warn or off, got {leakage!r}")
    rate = part.get("sample_rate", 22050)
    store = open_data(data, samples=part.get("samples"), sample_rate=rate, progress=progress)
    exclude = resolve_exclusions(store, part.get("exclude", ()))
    split = read_spec(SplitSpec, part.get("split") or {}, "data.split")
    given = {
        **part,
        "samples": store.samples_digest,
        "exclude": exclude,
        "split": resolve_split(split, store).model_dump(mode="json"),
    }
    config = trial_config({"seed": 0, **settings, "data": given}, plugins=loaded)
    return StandaloneTrial(config, store, loaded, leakage)


def load_plugins(paths: Sequence[Path]) -> dict[str, Plugin]:
    """The plug-ins that the command line names, by file name.

    Raises:
        TuneError, ModelError: one cannot be used, or two have the same name or component.
    """
    loaded: dict[str, Plugin] = {}
    for path in paths:
        if path.name in loaded:
            raise TuneError(f"--plugin: each file needs a name of its own, got {path.name} twice")
        loaded[path.name] = load_plugin(path)
    merge(loaded.values())
    return loaded


def check_plugins(recorded: Mapping[str, str], loaded: Mapping[str, Plugin]) -> None:
    """Raise RecordMismatch where a recorded plug-in is missing or another file."""
    if not isinstance(recorded, Mapping):
        raise RecordMismatch(f"plugins: must be a mapping from file to SHA-256, got {recorded!r}")
    for name, sha256 in recorded.items():
        if name != Path(name).name:
            raise RecordMismatch(f"plugins: must be names of files without folder, got {name!r}")
        if name not in loaded:
            raise RecordMismatch(f"--plugin: the record needs {name} (--plugin PATH/{name})")
        if loaded[name].sha256 != sha256:
            raise RecordMismatch(
                f"--plugin: must be the recorded {name} (SHA-256 {str(sha256)[:12]}...), got "
                f"{loaded[name].sha256[:12]}... (use the file as it was)"
            )


def run_standalone(
    standalone: StandaloneTrial,
    path: Path,
    *,
    on_report: Callable[[Mapping[str, Any]], None] | None = None,
    keep: CheckpointRetention | None = None,
) -> Outcome:
    """Train in the folder ``path``; one that holds part of the same trial is continued.

    Raises:
        TuneError: the folder holds something else.
    """
    folder = TrialDir(path, keep=keep or CheckpointRetention())
    if path.exists():
        if not (path / "config.json").exists() or (
            folder.config() != standalone.config.model_dump(mode="json")
        ):
            raise TuneError(
                f"--out: must be new or hold this same trial, got {path} (another --out)"
            )
    else:
        folder.write_config(standalone.config)

    def report(record: Mapping[str, Any]) -> bool:
        if on_report is not None:
            on_report(record)
        return True

    return run_trial(
        standalone.config, standalone.store, folder, on_report=report, plugins=standalone.plugins
    )


def summary(outcomes: Sequence[Outcome], metric: str) -> dict[str, dict[str, float]]:
    """Mean and standard deviation over folds of every metric, at each fold's best epoch.

    Args:
        metric: says which epoch is the best.

    Raises:
        RunFailure: fewer than two folds have finished an epoch.
    """
    histories = [outcome.history for outcome in outcomes if outcome.history]
    if len(histories) < 2:
        raise RunFailure(f"--fold: all needs two finished folds, got {len(histories)}")
    best = [history[best_epoch(history, metric) - 1] for history in histories]
    return {
        name: {
            "mean": statistics.fmean(record[name] for record in best),
            "std": statistics.stdev(record[name] for record in best),
        }
        for name in METRICS
    }
