"""A sweep made ready: its space, its samples, and the configuration of every trial."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from genretune.data.errors import DataError
from genretune.data.leakage import gate
from genretune.data.specs import SplitSpec, WindowSpec, read_spec
from genretune.data.split_file import resolve_split
from genretune.data.splits import FoldWindows, fold_windows
from genretune.models.errors import ModelError
from genretune.models.plugins import Plugin
from genretune.tune.errors import TuneError
from genretune.tune.reproducibility.environment import available_device, environment
from genretune.tune.space.distributions import Values
from genretune.tune.space.load import space_from_json
from genretune.tune.space.space import Space
from genretune.tune.space.tree import (
    Choice,
    Constant,
    FlatConfig,
    ListNode,
    MappingNode,
    Node,
    flatten,
)
from genretune.tune.storage.run_dir import SWEEP_VERSION
from genretune.tune.sweep.state_machine import trial_seed
from genretune.tune.training.config import TrialConfig
from genretune.tune.training.preflight import check_fit
from genretune.tune.training.resolve_config import trial_config
from genretune.tune.trial.corpus import Progress, Store, open_data, resolve_exclusions
from genretune.tune.trial.standalone import check_plugins, load_plugins


@dataclass(frozen=True)
class Sweep:
    """What a driver needs beside its journal.

    Attributes:
        data: the ``data`` part of every trial's configuration, resolved.
        folder: where the corpus was found, for people; None for a pack found by digest.
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

    def config(self, parameters: Mapping[str, object], seed: int) -> TrialConfig:
        """The configuration of a trial.

        Raises:
            TuneError, ModelError: these parameters do not go together.
        """
        settings = self.space.configure(parameters)
        settings |= {"seed": seed, "data": self.data, "device": self.device}
        return trial_config(settings, plugins=self.plugins)

    def as_json(self) -> dict[str, Any]:
        """``sweep.json``: all that the sweep's outcome depends on, and where it began."""
        level = self.level
        device: Any = self.device
        return {
            "version": SWEEP_VERSION,
            "space": self.space.as_json(),
            "overrides": list(self.overrides),
            "data": dict(self.data),
            "device": self.device,
            "determinism": level,
            "source": self.store.source_digest,
            "leakage": dict(self.leakage),
            "classes": list(self.store.classes),
            "plugins": {name: plugin.sha256 for name, plugin in self.plugins.items()},
            "corpus": None if self.folder is None else str(self.folder.absolute()),
            "environment": environment(device, level),
        }

    @property
    def level(self) -> Any:
        """The determinism level, one for the whole sweep."""
        return self.space.trial.get("determinism", "strict")


def new_sweep(
    space: Space,
    folder: Path,
    *,
    plugins: Sequence[Path] = (),
    overrides: Sequence[str] = (),
    progress: Progress | None = None,
) -> Sweep:
    """Resolve a space against a corpus and check all that can be checked before a trial runs.

    Args:
        progress: told how many clips are packed, where the corpus is not packed yet.

    Raises:
        TuneError, DataError, ModelError: one line for each thing that is wrong.
    """
    _check_fixed(space)
    loaded = load_plugins(plugins)
    rate = space.data.sample_rate or 22050
    store = open_data(folder, sample_rate=rate, progress=progress)
    exclude = resolve_exclusions(store, space.data.exclude)
    split, window = _specs(space, store)
    fold = fold_windows(store, split=split, window=window, exclude=exclude)
    leakage = gate(store, fold, split, space.data.leakage)
    data = {
        "samples": store.samples_digest,
        "sample_rate": rate,
        "exclude": list(exclude),
        "split": split.model_dump(mode="json"),
        "window": window.model_dump(mode="json"),
    }
    device = str(space.trial.get("device", "auto"))
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
    _check_probes(sweep, fold)
    return sweep


def saved_sweep(
    saved: Mapping[str, Any],
    *,
    folder: Path | None,
    plugins: Sequence[Path] = (),
    progress: Progress | None = None,
) -> Sweep:
    """The sweep of a ``sweep.json``; the corpus is found again by digest, or given.

    Raises:
        RecordMismatch: the corpus or a plug-in is not the recorded one.
        TuneError: no corpus is found.
    """
    loaded = load_plugins(plugins)
    check_plugins(saved["plugins"], loaded)
    data = saved["data"]
    recorded = {
        "samples": data["samples"],
        "source": saved["source"],
        "sample_rate": data["sample_rate"],
    }
    known = Path(saved["corpus"]) if saved["corpus"] else None
    try:
        store = open_data(folder, **recorded, progress=progress)
    except TuneError:
        if folder is not None or known is None or not known.exists():
            raise
        store = open_data(known, **recorded, progress=progress)
    return Sweep(
        space=space_from_json(saved["space"]),
        store=store,
        data=data,
        device=saved["device"],
        plugins=loaded,
        plugin_files=tuple(plugins),
        folder=folder or known,
        overrides=tuple(saved["overrides"]),
        leakage=saved["leakage"],
    )


def probes(space: Space) -> list[FlatConfig]:
    """Configurations in which every categorical value and both ends of every range occur once."""
    columns = [[(key, value) for value in _values(node)] for key, node in space.parameters]
    length = max((len(column) for column in columns), default=1)
    rows = [[column[k % len(column)] for column in columns] for k in range(length)]
    return [{k: v for key, value in row for k, v in flatten(key, value)} for row in rows]


def _values(node: Node) -> list[object]:
    match node:
        case Constant(value=value):
            return [value]
        case Choice(options=options):
            return [value for option in options for value in _values(option)]
        case ListNode(items=items):
            rows = _together([_values(item) for item in items])
            return [list(row) for row in rows]
        case MappingNode(items=items):
            keys = [key for key, _ in items]
            rows = _together([_values(item) for _, item in items])
            return [dict(zip(keys, row, strict=True)) for row in rows]
        case _:
            distribution = node.distribution
            if isinstance(distribution, Values):
                return list(distribution.values)
            return [
                distribution.from_unit(0.0),
                distribution.from_unit(0.5),
                distribution.from_unit(1.0 - 2**-53),
            ]


def _together(columns: list[list[object]]) -> list[tuple[object, ...]]:
    length = max((len(column) for column in columns), default=1)
    return [tuple(column[k % len(column)] for column in columns) for k in range(length)]


def _specs(space: Space, store: Store) -> tuple[SplitSpec, WindowSpec]:
    """The space's split and windows, with what is wrong located in its file."""
    try:
        split = resolve_split(read_spec(SplitSpec, space.data.split, "data.split"), store)
        return split, read_spec(WindowSpec, space.data.window, "data.window")
    except DataError as error:
        lines = str(error).split("; ")
        raise TuneError("\n".join(located(space, line) for line in lines)) from error


def _check_probes(sweep: Sweep, fold: FoldWindows) -> None:
    """Check a configuration for each value of the space."""
    space, wrong = sweep.space, dict[str, None]()
    for parameters in probes(space):
        try:
            config = sweep.config(parameters, trial_seed(space, 0))
            check_fit(config, sweep.store, fold, sweep.plugins)
        except (TuneError, ModelError, DataError) as error:
            wrong |= dict.fromkeys(located(space, line) for line in str(error).splitlines())
    if wrong:
        raise TuneError("\n".join(wrong))


def located(space: Space, line: str) -> str:
    """A message about a key of the trial, with the line of the space file that sets it."""
    key, colon, rest = line.partition(":")
    if not colon:
        return line
    for end in range(key.count(".") + 1, 0, -1):
        if place := space.locations.get(tuple(key.split(".")[:end])):
            return f"{place}: {line}"
    swept = [name for name, _ in space.parameters if name.startswith(f"{key}.")]
    for candidate in (key, *swept):
        place, _, dotted = space.where(candidate).rpartition(": ")
        if place:
            return f"{place}: {dotted if dotted.endswith(key) else f'trial.{key}'}:{rest}"
    return line


def _check_fixed(space: Space) -> None:
    for key, _ in space.parameters:
        if key.split(".")[0] in ("determinism", "device", "data", "seed", "version"):
            raise TuneError(
                f"{space.where(key)}: is the sweep's, one value for all trials (fix it)"
            )
    for key in ("seed", "data", "version", "plugins"):
        if key in space.trial:
            raise TuneError(
                f"{space.where(key)}: is not a trial's to set here (use the key of the same name "
                "at the root of the space)"
            )
