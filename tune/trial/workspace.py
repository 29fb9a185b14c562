"""A worker's access to a sweep and one of its trials, in the run directory or in S3."""

import functools
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
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
    """The inputs and the output folder of one segment.

    Attributes:
        sweep: content of ``sweep.json``.
        plugins: the sweep's plug-ins by file name.
        trial_dir: the trial's folder.
        s3: the trial in S3; None without S3. With S3, ``trial_dir`` is a scratch folder on this
            node.
    """

    sweep: Mapping[str, Any]
    plugins: Mapping[str, Plugin]
    trial_dir: TrialDir
    s3: S3Trial | None = None

    def persist_end(self) -> None:
        """Make the records of a failed or diverged trial durable.

        Raises:
            StorageFailure: S3 fails for the lease's ``io_timeout``.
            Replaced: the segment was given up.
        """
        if self.s3 is not None:
            self.s3.upload_end()


@contextmanager
def run_workspace(
    run: Path, trial: int, lease: Lease, plugins: Sequence[Path]
) -> Iterator[TrialWorkspace]:
    """Open a trial in a run directory for a ``with`` block.

    Raises:
        StorageFailure: the run directory fails for the lease's ``io_timeout``.
        Replaced: the segment was given up.
    """
    trial_dir = open_trial_dir(RunDir(run), trial, lease=lease)
    # Before mkdir: it would otherwise create the run directory anew below an empty mount point.
    trial_dir.wait_for_storage()
    loaded = {path.name: _plugin(path) for path in plugins}
    trial_dir.path.mkdir(parents=True, exist_ok=True)
    yield TrialWorkspace(_sweep(run), loaded, trial_dir)


@contextmanager
def s3_workspace(
    uri: str, trial: int, lease: Lease, plugin_names: Sequence[str]
) -> Iterator[TrialWorkspace]:
    """Open a trial in S3 for a ``with`` block, in a scratch folder that is removed afterwards.

    Raises:
        StorageFailure: S3 fails for the lease's ``io_timeout``.
        Replaced: the segment was given up.
    """
    with tempfile.TemporaryDirectory(prefix="genretune-trial-") as scratch:
        s3 = S3Trial(_object_store(uri), trial, lease, Path(scratch))
        s3.download()
        plugins = {name: _s3_plugin(uri, name) for name in plugin_names}
        yield TrialWorkspace(_s3_sweep(uri), plugins, s3.trial_dir, s3)


# Cached: a worker process serves many segments of a sweep, during which none of these changes.


@functools.lru_cache(maxsize=2)
def _sweep(run: Path) -> dict[str, Any]:
    return RunDir(run).sweep()


@functools.lru_cache(maxsize=16)
def _plugin(path: Path) -> Plugin:
    return load_plugin(path)


@functools.lru_cache(maxsize=2)
def _object_store(uri: str) -> ObjectStore:
    return ObjectStore(uri)


@functools.lru_cache(maxsize=2)
def _s3_sweep(uri: str) -> dict[str, Any]:
    return dict(json.loads(_required(uri, "sweep.json")))


@functools.lru_cache(maxsize=16)
def _s3_plugin(uri: str, name: str) -> Plugin:
    with tempfile.TemporaryDirectory(prefix="genretune-plugin-") as scratch:
        path = Path(scratch) / name
        path.write_bytes(_required(uri, f"plugins/{name}"))
        return load_plugin(path)


def _required(uri: str, name: str) -> bytes:
    """Return the content of an object that the driver has uploaded."""
    content = _object_store(uri).get(name)
    if content is None:
        raise StorageFailure(f"{uri}: must hold {name}, got none")
    return content
