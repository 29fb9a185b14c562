"""A sweep whose checkpoints and records lie in S3, as its driver sees it.

PREFIX/
  driver.json                        the generation of the driver that holds the run directory
  sweep.json  plugins/NAME.py        for workers, which see no run directory
  trials/00017/attempt               how often segments of the trial were given up; none: never
  trials/00017/00003-g00001-a000.zip  after epoch 3, by generation 1: checkpoint and records
  trials/00017/end-g00001-a000.zip   records of a trial that failed or diverged

One object per epoch end. Journal, space and leaderboard stay in the run directory, and the driver
puts every trial's records there once its segment is over. Imports neither Ray nor torch.
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
_SAVED = re.compile(r"trials/(\d+)/(end|\d{5})-g(\d+)-a(\d+)\.zip")
_END = 10**9


@dataclass(frozen=True, order=True)
class StoredObject:
    """An object of a trial, ordered as written: a later driver's and attempt's count for more.

    Attributes:
        epoch: after which it was written; of an end, beyond all.
    """

    generation: int
    attempt: int
    epoch: int
    trial: int
    name: str
    bytes: int

    @property
    def is_end(self) -> bool:
        return self.epoch == _END


def object_name(trial: int, epoch: int | None, generation: int, attempt: int) -> str:
    """Name of the object after an epoch, or (None) of a trial's end."""
    when = "end" if epoch is None else f"{epoch:05d}"
    return f"{trial_folder(trial)}/{when}-g{generation:05d}-a{attempt:03d}.zip"


def trial_folder(trial: int) -> str:
    return f"trials/{trial:05d}"


def attempt_name(trial: int) -> str:
    return f"{trial_folder(trial)}/attempt"


def stored_objects(objects: ObjectStore, trial: int | None = None) -> list[StoredObject]:
    """What was written of a trial (None: of all), in order."""
    sizes = objects.sizes("trials" if trial is None else trial_folder(trial))
    found = []
    for name, size in sizes.items():
        if match := _SAVED.fullmatch(name):
            index, epoch, generation, attempt = match.groups()
            after = _END if epoch == "end" else int(epoch)
            found.append(StoredObject(int(generation), int(attempt), after, int(index), name, size))
    return sorted(found)


def require_new(uri: str) -> None:
    """See that a sweep can begin to write there.

    Raises:
        TuneError: it cannot be written, or holds a sweep.
    """
    try:
        objects = ObjectStore(uri)
        taken = objects.get("sweep.json") is not None
        if not taken:
            objects.put("probe", b"")
            objects.delete("probe")
    except StorageFailure as error:
        raise TuneError(f"--storage: {error}") from error
    if taken:
        raise TuneError(f"--storage: must be a new prefix, got {uri}, which holds a sweep already")


def open_s3_run(run: RunDir) -> "S3Run | None":
    """The S3 side of a run directory; None where all lies in it."""
    uri = run.storage()
    return None if uri is None else S3Run(run, ObjectStore(uri))


class S3Run:
    """The driver's side.

    All methods raise StorageFailure where S3 cannot be reached, OSError where the run directory
    cannot.
    """

    def __init__(self, run: RunDir, objects: ObjectStore) -> None:
        self._run = run
        self._objects = objects

    def claim(self, generation: int, plugins: Sequence[Path]) -> None:
        """Fence all older drivers' segments off, and leave what workers must know."""
        fence = self._objects.get("driver.json")
        newest = json.loads(fence)["generation"] if fence is not None else 0
        if newest > generation:
            raise TuneError(
                f"{self._objects.uri}: must not be held by a later driver, got generation "
                f"{newest}, here {generation} (is this an old copy of the run directory?)"
            )
        if fence is not None:
            self.require_same()
        self._objects.put("driver.json", json.dumps({"generation": generation}).encode())
        self._objects.put("sweep.json", self._run.sweep_json.read_bytes())
        for path in plugins:
            self._objects.put(f"plugins/{path.name}", path.read_bytes())

    def require_same(self) -> None:
        """See that what lies there is of this sweep, before anything is written or deleted.

        Raises:
            RecordMismatch: it is of another.
        """
        there = self._objects.get("sweep.json")
        if there is not None and there != self._run.sweep_json.read_bytes():
            raise RecordMismatch(
                f"{self._objects.uri}: must hold this sweep, got another one "
                "(resume --storage URI says where it lies)"
            )

    def revoke(self, trial: int) -> None:
        """No segment of a trial that has begun before may write any more."""
        self._run.revoke(trial)
        self._objects.put(attempt_name(trial), str(self._run.attempt(trial)).encode())

    def download_records(self, trial: int) -> None:
        """Put the newest sound records of a trial into the run directory."""
        for saved in reversed(stored_objects(self._objects, trial)):
            records = self._members(saved, RECORDS)
            if records:
                folder = self._run.trial_path(trial)
                folder.mkdir(parents=True, exist_ok=True)
                for name, content in records.items():
                    write_atomically(folder / name, content)
                return

    def trials(self) -> set[int]:
        """Trials that have an object."""
        return {saved.trial for saved in stored_objects(self._objects)}

    def surplus(self, trial: int, keep: Collection[int]) -> list[StoredObject]:
        """What was saved of a trial, but for the latest after each of the epochs ``keep``."""
        saved = stored_objects(self._objects, trial)
        latest = {one.epoch: one for one in saved}
        return [one for one in saved if one.epoch not in keep or latest[one.epoch] != one]

    def delete(self, saved: Iterable[StoredObject]) -> None:
        """Remove objects; one that is gone is no error."""
        for one in saved:
            self._objects.delete(one.name)

    def download_best(self, trial: int) -> None:
        """Put the checkpoint after a trial's best epoch into the run directory, if it is kept."""
        folder = self._run.trial_path(trial)
        best = folder / "checkpoints" / "best.safetensors"
        if best.exists():
            return
        result = read_result(folder)
        for saved in reversed(stored_objects(self._objects, trial)):
            if result is not None and saved.epoch == result.get("best_epoch"):
                found = self._members(saved, (CHECKPOINT,))
                if found:
                    best.parent.mkdir(exist_ok=True)
                    write_atomically(best, found[CHECKPOINT])
                    return

    def _members(self, saved: StoredObject, names: Collection[str]) -> dict[str, bytes]:
        """Those of an object's files that it has; none of a damaged object."""
        try:
            with self._objects.opened(saved.name) as file, zipfile.ZipFile(file) as bundle:
                there = set(bundle.namelist())
                return {name: bundle.read(name) for name in names if name in there}
        except (zipfile.BadZipFile, ValueError):  # pyarrow's for a place before the beginning
            return {}
