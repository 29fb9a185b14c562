"""The driver's side of a sweep whose checkpoints and records are in S3.

PREFIX/
  driver.json                         generation of the driver that holds the run directory
  sweep.json  plugins/NAME.py         for workers, which do not see the run directory
  trials/00017/attempt                number of segments of the trial given up; absent for none
  trials/00017/00003-g00001-a000.zip  checkpoint and records after epoch 3, by generation 1
  trials/00017/end-g00001-a000.zip    records of a trial that failed or diverged

One object per epoch, because S3 replaces a single object atomically but not several: checkpoint and
records can never disagree. S3 has no rename that could be fenced, so the writer's generation and
attempt are part of the name: a late write adds an object that sorts before the current ones and
never overwrites one. Journal, space and leaderboard stay in the run directory, and the driver
copies every trial's records there when its segment ends. Imports neither Ray nor torch.
"""

import json
import re
import zipfile
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from genretune.tune.errors import RecordMismatch, TuneError
from genretune.tune.storage.atomic_io import StorageFailure, write_atomically
from genretune.tune.storage.object_store import ObjectStore
from genretune.tune.storage.run_dir import RunDir
from genretune.tune.storage.untrusted import read_result

RECORDS = ("config.json", "result.json", "metrics.tsv", "stdout.log", "error.txt")
CHECKPOINT = "checkpoint.safetensors"
_OBJECT_NAME = re.compile(r"trials/(\d+)/(end|\d{5})-g(\d+)-a(\d+)\.zip")
_END = 10**9  # stands for the epoch of an end object, so that it sorts after all epochs


@dataclass(frozen=True, order=True)
class StoredObject:
    """A trial's object; objects compare by generation, then attempt, then epoch.

    A later writer's object of an earlier epoch is thus newer: its trial resumed from there.

    Attributes:
        epoch: the last epoch that it contains; larger than any epoch for an end object.
        name: relative to the sweep's prefix.
    """

    generation: int
    attempt: int
    epoch: int
    trial: int
    name: str
    bytes: int

    @property
    def is_end(self) -> bool:
        """Whether it holds the final records of a trial that failed or diverged."""
        return self.epoch == _END


def object_name(trial: int, epoch: int | None, generation: int, attempt: int) -> str:
    """Return the name of the object after an epoch, or of a trial's end object (None)."""
    when = "end" if epoch is None else f"{epoch:05d}"
    return f"{_trial_prefix(trial)}/{when}-g{generation:05d}-a{attempt:03d}.zip"


def attempt_name(trial: int) -> str:
    """Return the name of the object that counts a trial's given-up segments."""
    return f"{_trial_prefix(trial)}/attempt"


def _trial_prefix(trial: int) -> str:
    return f"trials/{trial:05d}"


def stored_objects(objects: ObjectStore, trial: int | None = None) -> list[StoredObject]:
    """Return the objects of a trial, or of all (None), the newest last."""
    stored = []
    for name, size in objects.sizes("trials" if trial is None else _trial_prefix(trial)).items():
        if match := _OBJECT_NAME.fullmatch(name):
            index, when, generation, attempt = match.groups()
            epoch = _END if when == "end" else int(when)
            stored.append(
                StoredObject(int(generation), int(attempt), epoch, int(index), name, size)
            )
    return sorted(stored)


def require_new(uri: str) -> None:
    """Check that a new sweep can write to ``uri``.

    Raises:
        TuneError: the prefix cannot be written, or holds a sweep.
    """
    try:
        objects = ObjectStore(uri)
        has_sweep = objects.get("sweep.json") is not None
        if not has_sweep:
            objects.put("probe", b"")
            objects.delete("probe")
    except StorageFailure as error:
        raise TuneError(f"--storage: {error}") from error
    if has_sweep:
        raise TuneError(f"--storage: must be a new prefix, got {uri}, which holds a sweep already")


def open_s3_run(run: RunDir) -> "S3Run | None":
    """Return the S3 side of a run directory; None if its records are in the directory."""
    uri = run.storage()
    return None if uri is None else S3Run(run, ObjectStore(uri))


class S3Run:
    """The driver's access to a sweep in S3.

    Raises:
        StorageFailure: (all methods) S3 cannot be reached.
        OSError: (all methods) the run directory cannot be read or written.
    """

    def __init__(self, run: RunDir, objects: ObjectStore) -> None:
        self._run = run
        self._objects = objects

    def claim(self, generation: int, plugins: Sequence[Path]) -> None:
        """Reject late writes of older drivers' segments, and upload what workers read.

        Raises:
            TuneError: a later driver has claimed the prefix.
            RecordMismatch: the prefix holds another sweep.
        """
        fence = self._objects.get("driver.json")
        newest = json.loads(fence)["generation"] if fence is not None else 0
        if newest > generation:
            raise TuneError(
                f"{self._objects.uri}: must not be held by a later driver, got generation "
                f"{newest}, here {generation} (is this an old copy of the run directory?)"
            )
        if fence is not None:
            self.require_same_sweep()
        # The fence goes first: from here on, segments of older drivers can store nothing new while
        # this driver reads the newest records.
        self._objects.put("driver.json", json.dumps({"generation": generation}).encode())
        self._objects.put("sweep.json", self._run.sweep_json.read_bytes())
        for path in plugins:
            self._objects.put(f"plugins/{path.name}", path.read_bytes())

    def require_same_sweep(self) -> None:
        """Check that the prefix holds this sweep, before anything there is written or deleted.

        Raises:
            RecordMismatch: it holds another sweep.
        """
        stored = self._objects.get("sweep.json")
        if stored is not None and stored != self._run.sweep_json.read_bytes():
            raise RecordMismatch(
                f"{self._objects.uri}: must hold this sweep, got another one "
                "(resume with --storage URI if it was moved)"
            )

    def revoke(self, trial: int) -> None:
        """Reject all later writes of the segments of a trial that have started so far."""
        # The run directory first, because leases are granted from its count: if the driver died in
        # between in the reverse order, S3 would reject every later segment of the trial.
        self._run.revoke(trial)
        self._objects.put(attempt_name(trial), str(self._run.attempt(trial)).encode())

    def download_records(self, trial: int) -> None:
        """Copy the newest intact records of a trial into the run directory."""
        for stored in reversed(stored_objects(self._objects, trial)):
            records = self._read_members(stored, RECORDS)
            if records:
                trial_path = self._run.trial_path(trial)
                trial_path.mkdir(parents=True, exist_ok=True)
                for name, content in records.items():
                    write_atomically(trial_path / name, content)
                return

    def trials(self) -> set[int]:
        """Return the trials that have an object."""
        return {stored.trial for stored in stored_objects(self._objects)}

    def surplus(self, trial: int, keep: Collection[int]) -> list[StoredObject]:
        """Return all objects of a trial except the newest one of each epoch in ``keep``."""
        objects = stored_objects(self._objects, trial)
        newest = {stored.epoch: stored for stored in objects}
        return [
            stored
            for stored in objects
            if stored.epoch not in keep or newest[stored.epoch] != stored
        ]

    def delete(self, objects: Iterable[StoredObject]) -> None:
        """Delete objects; those that do not exist are ignored."""
        for stored in objects:
            self._objects.delete(stored.name)

    def download_best(self, trial: int) -> None:
        """Copy the checkpoint of a trial's best epoch into the run directory if it was kept."""
        trial_path = self._run.trial_path(trial)
        best = trial_path / "checkpoints" / "best.safetensors"
        if best.exists():
            return
        result = read_result(trial_path)
        if result is None:
            return
        for stored in reversed(stored_objects(self._objects, trial)):
            if stored.epoch == result.get("best_epoch"):
                members = self._read_members(stored, (CHECKPOINT,))
                if members:
                    best.parent.mkdir(exist_ok=True)
                    write_atomically(best, members[CHECKPOINT])
                    return

    def _read_members(self, stored: StoredObject, names: Collection[str]) -> dict[str, bytes]:
        """Return those of the named files that an object contains; none of a damaged object.

        Only fixed names are read: a name in the archive such as ``../../x`` is never used as a
        path.
        """
        try:
            with self._objects.open(stored.name) as file, zipfile.ZipFile(file) as archive:
                members = set(archive.namelist())
                return {name: archive.read(name) for name in names if name in members}
        # pyarrow raises ValueError where a damaged archive makes zipfile seek before its start
        except (zipfile.BadZipFile, ValueError):
            return {}
