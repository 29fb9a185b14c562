"""The worker's side of a trial whose checkpoints and records are in S3.

The trial trains in a scratch folder on its node. The folder is lost with the node; what a resume
starts from is the object of a saved epoch, which is written before the epoch is reported.
"""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

from genretune.tune.errors import RunFailure
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
from genretune.tune.trial.checkpoint_file import (
    CheckpointRetention,
    checkpoint_path,
    load_checkpoint,
)
from genretune.tune.trial.trial_dir import TrialDir

_LAST = CheckpointRetention().last  # newest epochs that stay


class S3Trial:
    """One segment's access to a trial in S3.

    Args:
        scratch: an empty folder on this node.

    Attributes:
        trial_dir: the trial's folder, which is the scratch folder; an epoch that is saved there is
            written to S3, too.
    """

    def __init__(self, objects: ObjectStore, trial: int, lease: Lease, scratch: Path) -> None:
        self.trial_dir = TrialDir(scratch, on_saved=self._upload_epoch)
        self._objects = objects
        self._trial = trial
        self._lease = lease
        self._uploaded: set[int] = set()

    def download(self) -> None:
        """Copy the newest intact epoch, if any, into the scratch folder.

        Raises:
            StorageFailure: S3 fails for the lease's ``io_timeout``.
            Replaced: the segment was given up.
        """
        self._with_retries(self._download_newest)

    def upload_end(self) -> None:
        """Write the records of a trial that failed or diverged.

        Raises:
            StorageFailure, Replaced: as ``download``.
        """
        content = self._archive(None)
        self._with_retries(lambda: self._put(None, content))

    def _upload_epoch(self, epoch: int) -> None:
        """Write the object of an epoch in the scratch folder unless S3 has it already."""
        if epoch in self._uploaded:
            return
        checkpoint = checkpoint_path(self.trial_dir.checkpoints, epoch)
        content = self._archive(checkpoint)
        self._with_retries(lambda: self._put(epoch, content))
        self._uploaded.add(epoch)
        # Only after the new epoch is stored: a failure in between leaves an epoch too many, the
        # reverse order could leave none to resume from.
        self._with_retries(self._delete_surplus)

    def _download_newest(self) -> None:
        self._check_lease()
        stored_epochs = []
        for stored in stored_objects(self._objects, self._trial):
            if stored.is_end:
                # This segment would not run if the driver had received that end. It sorts after
                # all epochs, so the driver would take its records for the newest.
                self._objects.delete(stored.name)
            else:
                stored_epochs.append(stored)
        for stored in reversed(stored_epochs):
            if self._extract(stored):
                # All epochs up to this one count as uploaded: the surplus ones among them were
                # deleted and must not be written again when the trial reports them once more.
                self._uploaded = set(range(1, stored.epoch + 1))
                return

    def _extract(self, stored: StoredObject) -> bool:
        """Extract an object into the scratch folder; return False if it is damaged or gone."""
        content = self._objects.get(stored.name)
        if content is None:
            return False
        path = checkpoint_path(self.trial_dir.checkpoints, stored.epoch)
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                members = {name: archive.read(name) for name in archive.namelist()}
        except zipfile.BadZipFile:
            return False
        if CHECKPOINT not in members:
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(members[CHECKPOINT])
        if load_checkpoint(path) is None:
            path.unlink()
            return False
        # By fixed names: a name in the archive is never used as a path.
        for name in RECORDS:
            if name in members:
                (self.trial_dir.path / name).write_bytes(members[name])
        return True

    def _archive(self, checkpoint: Path | None) -> bytes:
        """Return a zip archive of the records, with a checkpoint if given."""
        files = {name: self.trial_dir.path / name for name in RECORDS}
        if checkpoint is not None:
            files[CHECKPOINT] = checkpoint
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
            for name, path in files.items():
                if path.exists():
                    archive.writestr(name, path.read_bytes())
        return buffer.getvalue()

    def _put(self, epoch: int | None, content: bytes) -> None:
        # Checked at every attempt, since a retry can succeed long after the segment was given up.
        # A write that slips in between check and put does no harm: its name carries this lease's
        # generation and attempt, so it replaces no object of a successor.
        self._check_lease()
        lease = self._lease
        name = object_name(self._trial, epoch, lease.generation, lease.attempt)
        self._objects.put(name, content)

    def _delete_surplus(self) -> None:
        """Delete all writers' objects of epochs that are neither the best nor among the last."""
        result = self.trial_dir.result()
        if result is None:
            raise RunFailure(f"{self.trial_dir.path}: must have a result.json, got none")
        stored_epochs = [
            stored for stored in stored_objects(self._objects, self._trial) if not stored.is_end
        ]
        last = sorted({stored.epoch for stored in stored_epochs})[-_LAST:]
        keep = {result["best_epoch"], *last}
        for stored in stored_epochs:
            if stored.epoch not in keep:
                self._objects.delete(stored.name)

    def _check_lease(self) -> None:
        """Check that this segment may still write.

        Raises:
            Replaced: a newer driver holds the sweep, or the driver has given the segment up.
            StorageFailure: S3 cannot be reached, or has no ``driver.json``.
        """
        fence = self._objects.get("driver.json")
        if fence is None:
            raise StorageFailure(f"{self._objects.uri}: must hold driver.json, got none")
        newest = json.loads(fence)["generation"]
        count = self._objects.get(attempt_name(self._trial))
        attempt = 0 if count is None else int(count)
        self._lease.check(self._objects.uri, self._trial, newest=newest, attempt=attempt)

    def _with_retries(self, act: Callable[[], None]) -> None:
        retry_storage(act, seconds=self._lease.io_timeout)
