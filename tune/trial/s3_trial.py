"""A trial whose checkpoints and records lie in S3, as its worker sees it.

The trial trains in a scratch folder on its node. What counts is the object written after each
epoch, before the epoch is reported.
"""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

from genretune.tune.storage.atomic_io import StorageFailure, retry_storage
from genretune.tune.storage.object_store import ObjectStore
from genretune.tune.storage.run_dir import Lease
from genretune.tune.storage.s3_run import (
    CHECKPOINT,
    RECORDS,
    StoredObject,
    attempt_name,
    object_name,
    stored_objects,
)
from genretune.tune.trial.checkpoint_file import checkpoint_path, load_checkpoint
from genretune.tune.trial.trial_dir import CheckpointRetention, TrialDir

_LAST = CheckpointRetention().last


class S3Trial:
    """One segment's hold on a trial in S3.

    Args:
        scratch: an empty folder on this node.

    Attributes:
        folder: the trial's folder in it.
    """

    def __init__(self, objects: ObjectStore, trial: int, lease: Lease, scratch: Path) -> None:
        self.folder = TrialDir(scratch)
        self._objects = objects
        self._trial = trial
        self._lease = lease
        self._saved: set[int] = set()

    def download(self) -> None:
        """Bring the newest sound epoch, if there is one, into the scratch folder.

        Raises:
            StorageFailure: S3 cannot be reached for as long as the lease is patient.
            Replaced: this segment does not count any more.
        """
        self._patiently(self._fetch)

    def upload_epoch(self, epoch: int) -> None:
        """Write the object of an epoch that is in the scratch folder, unless it is there already.

        Raises:
            StorageFailure, Replaced: as ``download``.
        """
        if epoch in self._saved:
            return
        checkpoint = checkpoint_path(self.folder.checkpoints, epoch)
        content = self._bundle(checkpoint)
        self._patiently(lambda: self._put(epoch, content))
        self._saved.add(epoch)
        self._patiently(self._drop_surplus)

    def upload_end(self) -> None:
        """Write the records of a trial that ended by itself."""
        content = self._bundle(None)
        self._patiently(lambda: self._put(None, content))

    def _fetch(self) -> None:
        self._check_lease()
        saved = stored_objects(self._objects, self._trial)
        for one in saved:
            if one.is_end:  # of a segment whose end was never heard
                self._objects.delete(one.name)
        for one in reversed(saved):
            if not one.is_end and self._unpack(one):
                self._saved = set(range(1, one.epoch + 1))  # some are deleted by now
                return

    def _unpack(self, saved: StoredObject) -> bool:
        """Whether the object is whole; its content is then in the scratch folder."""
        content = self._objects.get(saved.name)
        path = checkpoint_path(self.folder.checkpoints, saved.epoch)
        try:
            with zipfile.ZipFile(io.BytesIO(content or b"")) as bundle:
                members = {name: bundle.read(name) for name in bundle.namelist()}
        except zipfile.BadZipFile:
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(members.get(CHECKPOINT, b""))
        if load_checkpoint(path) is None:
            path.unlink()
            return False
        for name in RECORDS:
            if name in members:
                (self.folder.path / name).write_bytes(members[name])
        return True

    def _bundle(self, checkpoint: Path | None) -> bytes:
        files = {name: self.folder.path / name for name in RECORDS}
        if checkpoint is not None:
            files[CHECKPOINT] = checkpoint
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as bundle:
            for name, path in files.items():
                if path.exists():
                    bundle.writestr(name, path.read_bytes())
        return buffer.getvalue()

    def _put(self, epoch: int | None, content: bytes) -> None:
        self._check_lease()
        lease = self._lease
        name = object_name(self._trial, epoch, lease.generation, lease.attempt)
        self._objects.put(name, content)

    def _drop_surplus(self) -> None:
        """Delete epochs that are neither best nor among the last; of all writers."""
        result = self.folder.result()
        best = result["best_epoch"] if result else 0
        saved = [one for one in stored_objects(self._objects, self._trial) if not one.is_end]
        stay = {best, *sorted({one.epoch for one in saved})[-_LAST:]}
        for one in saved:
            if one.epoch not in stay:
                self._objects.delete(one.name)

    def _check_lease(self) -> None:
        """See that what this segment writes still counts.

        Raises:
            Replaced: a newer driver holds the sweep, or this one has given the segment up.
            StorageFailure: S3 cannot be reached, or lacks what the driver left there.
        """
        fence = self._objects.get("driver.json")
        if fence is None:
            raise StorageFailure(f"{self._objects.uri}: must hold driver.json, got none")
        newest = json.loads(fence)["generation"]
        attempt = int(self._objects.get(attempt_name(self._trial)) or 0)
        self._lease.check(self._objects.uri, self._trial, newest=newest, attempt=attempt)

    def _patiently(self, act: Callable[[], None]) -> None:
        retry_storage(act, seconds=self._lease.io_timeout)
