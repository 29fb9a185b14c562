"""Where a worker finds a sweep and leaves a trial: the run directory, or S3 instead of it."""

import functools
import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genretune.models.plugins import Plugin, load_plugin
from genretune.tune.storage.atomic_io import StorageFailure
from genretune.tune.storage.object_store import ObjectStore
from genretune.tune.storage.run_dir import Lease, RunDir
from genretune.tune.trial.s3_trial import S3Trial
from genretune.tune.trial.trial_dir import TrialDir, open_trial_dir


@dataclass(frozen=True)
class TrialWorkspace:
    """One segment's place.

    Attributes:
        sweep: ``sweep.json``.
        plugins: the sweep's, by file name.
        folder: the trial's.
        remote: where the folder is a scratch one, what keeps its epochs.
    """

    sweep: Mapping[str, Any]
    plugins: Mapping[str, Plugin]
    folder: TrialDir
    remote: S3Trial | None = None

    def keep(self, epoch: int) -> None:
        """See an epoch safe before it is reported."""
        if self.remote is not None:
            self.remote.keep(epoch)

    def keep_end(self) -> None:
        """See the records of a trial safe that failed or diverged."""
        if self.remote is not None:
            self.remote.keep_end()


@contextmanager
def open_workspace(order: Mapping[str, Any]) -> Iterator[TrialWorkspace]:
    """The place of an order's segment, for a ``with`` block.

    Raises:
        StorageFailure: it cannot be reached for as long as the order is patient.
        Replaced: the segment was given up.
    """
    lease = Lease(order["generation"], order["attempt"], order["patience"])
    if order.get("storage") is None:
        folder = open_trial_dir(RunDir(Path(order["run"])), order["trial"], lease=lease)
        folder.wait_for_storage()
        plugins = {Path(path).name: _plugin(path) for path in order["plugins"]}
        folder.path.mkdir(parents=True, exist_ok=True)
        yield TrialWorkspace(_sweep(order["run"]), plugins, folder)
        return
    objects = _objects(order["storage"])
    with tempfile.TemporaryDirectory(prefix="genretune-trial-") as scratch:
        remote = S3Trial(objects, order["trial"], lease, Path(scratch))
        remote.fetch()
        names = [Path(path).name for path in order["plugins"]]
        plugins = {name: _remote_plugin(order["storage"], name) for name in names}
        yield TrialWorkspace(_remote_sweep(order["storage"]), plugins, remote.folder, remote)


@functools.lru_cache(maxsize=2)
def _sweep(run: str) -> dict[str, Any]:
    return RunDir(Path(run)).sweep()


@functools.lru_cache(maxsize=16)
def _plugin(path: str) -> Plugin:
    return load_plugin(Path(path))


@functools.lru_cache(maxsize=2)
def _objects(uri: str) -> ObjectStore:
    return ObjectStore(uri)


@functools.lru_cache(maxsize=2)
def _remote_sweep(uri: str) -> dict[str, Any]:
    return dict(json.loads(_content(uri, "sweep.json")))


@functools.lru_cache(maxsize=16)
def _remote_plugin(uri: str, name: str) -> Plugin:
    with tempfile.TemporaryDirectory(prefix="genretune-plugin-") as scratch:
        path = Path(scratch) / name
        path.write_bytes(_content(uri, f"plugins/{name}"))
        return load_plugin(path)


def _content(uri: str, name: str) -> bytes:
    content = _objects(uri).get(name)
    if content is None:
        raise StorageFailure(f"{uri}: must hold {name}, got none")
    return content
