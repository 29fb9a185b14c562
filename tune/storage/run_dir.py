"""A run directory: the paths of its files, and the fences that reject late writes.

Two counters fence writers. The generation (``driver.json``) grows with every driver, the attempt
(``trials/N/attempt``) whenever a driver gives a segment of the trial up. A segment knows both from
its start and compares them before each write; if either has grown, its writes are rejected. Reading
needs no lock.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genretune.tune.errors import DamagedRecord, RecordMismatch, RunFailure, TuneError
from genretune.tune.storage.atomic_io import StorageFailure, write_atomically
from genretune.tune.storage.driver_lock import DRIVER_JSON, hold_lock, is_held, read_holder
from genretune.tune.storage.untrusted import check_schema, read_json_object, read_text

SWEEP_VERSION = 1


class Replaced(RunFailure):
    """A writer replaced by a newer driver or segment; its late writes are rejected."""


@dataclass(frozen=True)
class Lease:
    """A segment's right to write the records of one trial.

    Attributes:
        generation: of the driver that granted it.
        attempt: number of segments of the trial that had been given up when it was granted.
        io_timeout: seconds to retry failing storage.
    """

    generation: int
    attempt: int = 0
    io_timeout: float = 0.0

    def check(self, where: str, trial: int, *, newest: int, attempt: int) -> None:
        """Raise Replaced if the lease is no longer valid.

        Args:
            where: run directory or URI, for the message.
            newest: generation of the driver that holds the sweep now.
            attempt: number of segments of the trial that have been given up by now.
        """
        if newest > self.generation:
            raise Replaced(f"{where}: driver {self.generation} was replaced by {newest}")
        if attempt > self.attempt:
            raise Replaced(f"{where}: this segment of trial {trial} was given up")


@dataclass(frozen=True)
class RunDir:
    """The files of a sweep; the README lists them."""

    path: Path

    @property
    def space_yaml(self) -> Path:
        return self.path / "space.yaml"

    @property
    def sweep_json(self) -> Path:
        return self.path / "sweep.json"

    @property
    def journal(self) -> Path:
        return self.path / "journal.jsonl"

    @property
    def leaderboard_csv(self) -> Path:
        return self.path / "leaderboard.csv"

    @property
    def driver_log(self) -> Path:
        return self.path / "driver.log"

    @property
    def driver_json(self) -> Path:
        return self.path / DRIVER_JSON

    @property
    def running_json(self) -> Path:
        return self.path / "running.json"

    @property
    def storage_json(self) -> Path:
        return self.path / "storage.json"

    def storage(self) -> str | None:
        """Return the S3 URI of checkpoints and records; None if they are in this directory.

        Raises:
            RecordMismatch: ``storage.json`` is damaged.
        """
        try:
            return str(read_json_object(self.storage_json)["uri"])
        except FileNotFoundError:
            return None
        except (KeyError, OSError) as error:
            raise RecordMismatch(
                f"{self.storage_json}: must have a readable uri, got {error} (restore it)"
            ) from error

    def set_storage(self, uri: str) -> None:
        """Record the S3 URI that the next driver uses for checkpoints and records."""
        write_atomically(self.storage_json, (json.dumps({"uri": uri}) + "\n").encode())

    def trial_path(self, index: int) -> Path:
        return self.path / "trials" / f"{index:05d}"

    def require_new(self) -> None:
        """Raise TuneError if the path exists."""
        if self.path.exists():
            raise TuneError(
                f"--out: must be a new folder, got {self.path}, which exists "
                f"(genretune resume {self.path}, or another --out)"
            )

    def create(self, space_text: str, sweep: Mapping[str, Any], storage: str | None = None) -> None:
        """Create the directory with its first files.

        Args:
            space_text: ``space.yaml`` as the user wrote it.
            sweep: content of ``sweep.json``.
            storage: S3 URI of checkpoints and records; None for the directory itself.

        Raises:
            TuneError: the path exists or cannot be written.
        """
        self.require_new()
        try:
            self.path.mkdir(parents=True)
            write_atomically(self.space_yaml, space_text.encode())
            if storage is not None:
                self.set_storage(storage)
            # Last, because a folder counts as a run directory once it has a sweep.json: a folder
            # whose creation was interrupted is then not mistaken for a sweep.
            write_atomically(self.sweep_json, (json.dumps(sweep, indent=1) + "\n").encode())
        except OSError as error:
            raise TuneError(
                f"--out: must be a writable folder, got {self.path} ({error.strerror})"
            ) from error

    def sweep(self) -> dict[str, Any]:
        """Return the content of ``sweep.json``.

        Raises:
            TuneError: the path is not a run directory.
            RecordMismatch: ``sweep.json`` is damaged or of another version.
        """
        try:
            sweep = read_json_object(self.sweep_json)
        except OSError as error:
            raise TuneError(
                f"{self.path}: must be a run directory, got no readable sweep.json in it "
                "(name a folder created by genretune search)"
            ) from error
        if sweep.get("version") != SWEEP_VERSION:
            raise RecordMismatch(f"{self.sweep_json}: must have version {SWEEP_VERSION}")
        check_schema("sweep", sweep, self.sweep_json)
        return sweep

    def holder(self) -> dict[str, Any]:
        """Return the current or last driver of this directory; generation 0 before the first.

        Raises:
            DamagedRecord: ``driver.json`` is damaged.
        """
        return read_holder(self.path)

    def has_driver(self) -> bool:
        """Return whether a driver holds the directory; one on another host counts as alive."""
        return is_held(self.holder())

    def check_driver(self, generation: int) -> None:
        """Raise Replaced if a newer driver holds the directory."""
        newest = self.holder()["generation"]
        if newest > generation:
            raise Replaced(f"{self.path}: driver {generation} was replaced by {newest}")

    def check_lease(self, index: int, lease: Lease) -> None:
        """Check that a segment may still write the folder of trial ``index``.

        Raises:
            Replaced: a newer driver holds the directory, or the driver has given the segment up.
            StorageFailure: ``driver.json`` cannot be read.
        """
        # A missing driver.json is a failure here, not generation 0: where the storage is not
        # mounted, the empty mount point looks like a directory without a driver, and a segment
        # would write its records there.
        try:
            newest = json.loads(self.driver_json.read_text())["generation"]
            attempt = self.attempt(index)
        except (OSError, ValueError) as error:
            raise StorageFailure(
                f"{self.path}: must stay readable while its driver runs, got {error}"
            ) from error
        lease.check(str(self.path), index, newest=newest, attempt=attempt)

    def revoke(self, index: int) -> None:
        """Reject all later writes of the segments of trial ``index`` that have started so far."""
        path = self._attempt_path(index)
        # The segment may have been lost before it created its folder. The run directory itself is
        # never created: it is missing only while its storage is not mounted.
        for folder in (path.parent.parent, path.parent):
            folder.mkdir(exist_ok=True)
        write_atomically(path, str(self.attempt(index) + 1).encode())

    def attempt(self, index: int) -> int:
        """Return the number of segments of trial ``index`` that were given up.

        Raises:
            DamagedRecord: the file is damaged.
        """
        path = self._attempt_path(index)
        try:
            text = read_text(path)
        except FileNotFoundError:
            return 0
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise DamagedRecord(f"{path}: must be a number, got {text[:20]!r} (remove it)")
        return int(text)

    def _attempt_path(self, index: int) -> Path:
        return self.trial_path(index) / "attempt"

    @contextmanager
    def drive(self, *, takeover: bool = False) -> Iterator[int]:
        """Hold the directory for a ``with`` block and yield this driver's generation.

        Args:
            takeover: take it over from a driver on another host, which may or may not be alive.

        Raises:
            TuneError: another driver holds it.
            DamagedRecord: it holds a symbolic link.
        """
        with hold_lock(self.path, takeover=takeover) as generation:
            yield generation
