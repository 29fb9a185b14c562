"""One training without a sweep: from settings and a corpus to a trial's folder."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genretune.models.plugins import Plugin, load_plugin, merge
from genretune.tune.config import TrialConfig, trial_config
from genretune.tune.corpus import Store, open_data, resolve_exclusions
from genretune.tune.errors import RecordMismatch, TuneError
from genretune.tune.records import TrialFolder
from genretune.tune.run_trial import run_trial
from genretune.tune.train import Outcome


@dataclass(frozen=True)
class Single:
    """A configuration with the samples and the code that it asks for."""

    config: TrialConfig
    store: Store
    plugins: dict[str, Plugin]


def prepare(
    settings: Mapping[str, Any],
    *,
    data: Path | None,
    plugins: Sequence[Path] = (),
) -> Single:
    """Resolve settings against a corpus and plug-ins.

    Args:
        settings: keys of ``config.json``; without ``data.samples`` the corpus at ``data`` is
            taken as it is, and ``data.exclude`` may name rules (``faults``, ``duplicates``).

    Raises:
        TuneError, DataError, ModelError: something in them is wrong.
        RecordMismatch: the corpus or a plug-in is not the one that the settings name.
    """
    loaded = load_plugins(plugins)
    check_plugins(settings.get("plugins", {}), loaded)
    part = settings.get("data") or {}
    if not isinstance(part, Mapping):
        raise TuneError(f"data: must be a mapping, got {part!r}")
    rate = part.get("sample_rate", 22050)
    store = open_data(data, samples=part.get("samples"), sample_rate=rate)
    exclude = resolve_exclusions(store, part.get("exclude", ()))
    given = {**part, "samples": store.samples_digest, "exclude": exclude}
    config = trial_config({**settings, "data": given}, plugins=loaded)
    return Single(config, store, loaded)


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
    for name, sha256 in recorded.items():
        if name not in loaded:
            raise RecordMismatch(f"--plugin: the record needs {name} (--plugin PATH/{name})")
        if loaded[name].sha256 != sha256:
            raise RecordMismatch(
                f"--plugin: must be the recorded {name} (SHA-256 {sha256[:12]}...), got "
                f"{loaded[name].sha256[:12]}... (use the file as it was)"
            )


def run_single(
    single: Single, path: Path, *, on_report: Callable[[Mapping[str, Any]], None] | None = None
) -> Outcome:
    """Train in the folder ``path``; one that holds part of the same trial is continued.

    Raises:
        TuneError: the folder holds something else.
    """
    folder = TrialFolder(path)
    if path.exists():
        if not (path / "config.json").exists() or (
            folder.config() != single.config.model_dump(mode="json")
        ):
            raise TuneError(
                f"--out: must be new or hold this same trial, got {path} (another --out)"
            )
    else:
        folder.write_config(single.config)

    def report(record: Mapping[str, Any]) -> bool:
        if on_report is not None:
            on_report(record)
        return True

    return run_trial(single.config, single.store, folder, on_report=report, plugins=single.plugins)
