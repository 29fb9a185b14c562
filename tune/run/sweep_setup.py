"""Setting up a sweep: its search space, its samples, and the configurations of its trials."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from genretune.data.errors import DataError
from genretune.data.specs import SplitSpec, WindowSpec, read_spec
from genretune.data.splits.fold_windows import FoldWindows, fold_windows
from genretune.data.splits.leakage import enforce_leakage_policy
from genretune.data.splits.split_file import resolve_split
from genretune.models.errors import ModelError
from genretune.models.plugins import Plugin
from genretune.tune.errors import TuneError
from genretune.tune.reproducibility.environment import available_device
from genretune.tune.run.sweep_config import sweep_trial_config
from genretune.tune.space.load import space_from_json
from genretune.tune.space.probe import probe_configurations
from genretune.tune.space.space import Space
from genretune.tune.storage.run_dir import SWEEP_VERSION
from genretune.tune.sweep.trial_sampling import trial_seed
from genretune.tune.training.config import FIRST_RULES, RULES, TrialConfig
from genretune.tune.training.memory_estimate import largest_memory
from genretune.tune.training.preflight import check_components
from genretune.tune.trial.corpus import Progress, Store, open_data, resolve_exclusions
from genretune.tune.trial.standalone import check_plugins, load_plugins


@dataclass(frozen=True)
class Sweep:
    """A sweep that is ready to run: everything a driver needs besides its journal.

    Attributes:
        store: the packed samples of the corpus.
        data: the ``data`` section of every trial's configuration, resolved.
        plugin_files: paths on this machine, for workers.
        folder: where the corpus was found, for information; None for samples found by digest.
        overrides: of the command line, as given.
        leakage: the leakage report, as JSON.
        rules: by which figures are computed; see ``TrialConfig``.
    """

    space: Space
    store: Store
    data: Mapping[str, Any]
    device: str
    plugins: Mapping[str, Plugin]
    plugin_files: tuple[Path, ...] = ()
    folder: Path | None = None
    overrides: tuple[str, ...] = ()
    leakage: Mapping[str, Any] = field(default_factory=dict)
    rules: int = RULES

    def config(self, parameters: Mapping[str, object], seed: int) -> TrialConfig:
        """Return the configuration of a trial.

        Raises:
            TuneError, ModelError: the parameters are invalid or incompatible.
        """
        facts = {"data": self.data, "device": self.device, "rules": self.rules}
        return sweep_trial_config(self.space, facts, parameters, seed, self.plugins)

    def peak_memory(self) -> int | None:
        """Return the estimated peak memory of the largest trial in bytes; None if not known.

        With plug-ins it is not: their training runs on workers only.
        """
        if self.plugins:
            return None
        space = self.space
        configs = [self.config(one, trial_seed(space, 0)) for one in probe_configurations(space)]
        return largest_memory(configs, classes=len(self.store.classes), plugins=self.plugins)

    def as_json(self) -> dict[str, Any]:
        """Return ``sweep.json`` but for the environment of the workers."""
        return {
            "version": SWEEP_VERSION,
            "space": self.space.as_json(),
            "overrides": list(self.overrides),
            "data": dict(self.data),
            "device": self.device,
            "rules": self.rules,
            "determinism": self.level,
            "source": self.store.source_digest,
            "leakage": dict(self.leakage),
            "classes": list(self.store.classes),
            "plugins": {name: plugin.sha256 for name, plugin in self.plugins.items()},
            "corpus": None if self.folder is None else str(self.folder.absolute()),
        }

    @property
    def level(self) -> Any:
        """The determinism level, one for the whole sweep."""
        return self.space.trial.get("determinism", "strict")

    @property
    def threads(self) -> int:
        """Of a trial, as pydantic reads it: a space file may say "2"."""
        threads: Any = self.space.trial.get("threads", 1)
        return int(threads)


def new_sweep(
    space: Space,
    folder: Path,
    *,
    device: str | None = None,
    plugins: Sequence[Path] = (),
    overrides: Sequence[str] = (),
    progress: Progress | None = None,
) -> Sweep:
    """Resolve a space against a corpus, and check everything that needs no training.

    Args:
        device: of the workers; None for the space's, where ``auto`` means what torch sees here.
        overrides: those already applied to ``space``, for the record.
        progress: called with the number of packed clips if the corpus is not packed yet.

    Raises:
        TuneError, DataError, ModelError: one line for each error.
    """
    _check_sweep_keys(space)
    loaded = load_plugins(plugins)
    rate = space.data.sample_rate or 22050
    store = open_data(folder, sample_rate=rate, progress=progress)
    exclude = resolve_exclusions(store, space.data.exclude)
    split, window = _specs(space, store)
    fold = fold_windows(store, split=split, window=window, exclude=exclude)
    leakage = enforce_leakage_policy(store, fold, split, space.data.leakage)
    data = {
        "samples": store.samples_digest,
        "sample_rate": rate,
        "exclude": list(exclude),
        "split": split.model_dump(mode="json"),
        "window": window.model_dump(mode="json"),
    }
    device = device or str(space.trial.get("device", "auto"))
    sweep = Sweep(
        space=space,
        store=store,
        data=data,
        device=available_device() if device == "auto" else device,
        plugins=loaded,
        plugin_files=tuple(plugins),
        folder=folder,
        overrides=tuple(overrides),
        leakage=leakage.as_json(),
    )
    _check_configurations(sweep, fold)
    return sweep


def reopen_sweep(
    saved: Mapping[str, Any],
    *,
    folder: Path | None,
    plugins: Sequence[Path] = (),
    progress: Progress | None = None,
) -> Sweep:
    """Return the sweep of a ``sweep.json``, with its corpus.

    Args:
        folder: the corpus; None finds the packed samples by digest, then tries the folder where
            the corpus was when the sweep started.
        progress: called with the number of packed clips if the corpus is not packed yet.

    Raises:
        RecordMismatch: the corpus or a plug-in is not the recorded one.
        TuneError: no corpus was found.
    """
    loaded = load_plugins(plugins)
    check_plugins(saved["plugins"], loaded)
    data = saved["data"]
    recorded = {
        "samples": data["samples"],
        "source": saved["source"],
        "sample_rate": data["sample_rate"],
    }
    first_folder = Path(saved["corpus"]) if saved["corpus"] else None
    try:
        store = open_data(folder, **recorded, progress=progress)
    except TuneError:
        if folder is not None or first_folder is None or not first_folder.exists():
            raise
        store = open_data(first_folder, **recorded, progress=progress)
    return Sweep(
        space=space_from_json(saved["space"]),
        store=store,
        data=data,
        device=saved["device"],
        plugins=loaded,
        plugin_files=tuple(plugins),
        folder=folder or first_folder,
        overrides=tuple(saved["overrides"]),
        leakage=saved["leakage"],
        rules=saved.get("rules", FIRST_RULES),
    )


def _specs(space: Space, store: Store) -> tuple[SplitSpec, WindowSpec]:
    """Return the split and the windows of a space; errors name the line of its file."""
    try:
        split = resolve_split(read_spec(SplitSpec, space.data.split, "data.split"), store)
        return split, read_spec(WindowSpec, space.data.window, "data.window")
    except DataError as error:
        lines = str(error).split("; ")
        raise TuneError("\n".join(add_location(space, line) for line in lines)) from error


def _check_configurations(sweep: Sweep, fold: FoldWindows) -> None:
    """Raise TuneError with the distinct errors of configurations that cover the space."""
    space, errors = sweep.space, dict[str, None]()
    for parameters in probe_configurations(space):
        try:
            config = sweep.config(parameters, trial_seed(space, 0))
            check_components(config, sweep.store, fold, sweep.plugins)
        except (TuneError, ModelError, DataError) as error:
            errors |= dict.fromkeys(add_location(space, line) for line in str(error).splitlines())
    if errors:
        raise TuneError("\n".join(errors))


def add_location(space: Space, line: str) -> str:
    """Prefix a message about a trial's key with the line of the space file that sets the key.

    A message that names no key of the file is returned as it is.
    """
    key, colon, rest = line.partition(":")
    if not colon:
        return line
    # the key itself or its nearest parent, spelled as in the file: data.split.folds
    for end in range(key.count(".") + 1, 0, -1):
        if place := space.locations.get(tuple(key.split(".")[:end])):
            return f"{place}: {line}"
    # a key below trial or parameters; an error of a section may come from a swept key in it
    swept = [name for name, _ in space.parameters if name.startswith(f"{key}.")]
    for candidate in (key, *swept):
        place, _, dotted = space.where(candidate).rpartition(": ")
        if place:
            return f"{place}: {dotted if dotted.endswith(key) else f'trial.{key}'}:{rest}"
    return line


_SWEEP_KEYS = ("best", "data", "determinism", "device", "rules", "seed", "version")


def _check_sweep_keys(space: Space) -> None:
    """Raise TuneError if a key that belongs to the sweep as a whole is set for trials."""
    for key, _ in space.parameters:
        if key.split(".")[0] in _SWEEP_KEYS:
            raise TuneError(
                f"{space.where(key)}: must not be swept, it is the same for all trials "
                "(give it one value)"
            )
    best = space.trial.get("best")
    if isinstance(best, Mapping) and best.get("metric", space.metric.name) != space.metric.name:
        raise TuneError(
            f"{space.where('best.metric')}: must be the sweep's metric, {space.metric.name}, got "
            f"{best['metric']} (omit it: a trial's best epoch is that of the leaderboard)"
        )
    for key in ("seed", "data", "version", "rules", "plugins"):
        if key in space.trial:
            instead = "the option --plugin" if key == "plugins" else f"{key} at the top level"
            raise TuneError(f"{space.where(key)}: must not be set for trials (use {instead})")
