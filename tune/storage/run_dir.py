"""A run directory: where its files lie, and who may write them.

Whatever an older driver's segment still writes is refused at the moment of renaming it into place.
Reading needs no lock.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genretune.tune.errors import DamagedRecord, RecordMismatch, RunFailure, TuneError
from genretune.tune.storage.atomic_io import StorageFailure, write_atomically
from genretune.tune.storage.driver_lock import DRIVER_JSON, hold, is_held, read_holder
from genretune.tune.storage.untrusted import check_shape, read_object, read_text

SWEEP_VERSION = 1


class Replaced(RunFailure):
    """A newer driver has taken this run directory over; what this one writes no longer counts."""


@dataclass(frozen=True)
class Lease:
    """The right to write one trial's folder.

    Attributes:
        generation: of the driver that gave it.
        attempt: how often a segment of the trial had been given up by then.
        patience: how long (s) to wait for storage that refuses.
    """

    generation: int
    attempt: int = 0
    io_timeout: float = 0.0

    def check(self, where: str, trial: int, *, newest: int, attempt: int) -> None:
        """See that the right still holds.

        Args:
            newest: generation of the driver that holds the sweep now.
            attempt: how often segments of the trial have been given up by now.

        Raises:
            Replaced: it does not.
        """
        if newest > self.generation:
            raise Replaced(f"{where}: driver {self.generation} was replaced by {newest}")
        if attempt > self.attempt:
            raise Replaced(f"{where}: this segment of trial {trial} was given up")


@dataclass(frozen=True)
class RunDir:
    """The files of a sweep; see README for the picture."""

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
    def storage_json(self) -> Path:
        return self.path / "storage.json"

    def storage(self) -> str | None:
        """URI in S3 of checkpoints and records; None where they lie here."""
        try:
            return str(read_object(self.storage_json)["uri"])
        except FileNotFoundError:
            return None
        except (KeyError, OSError) as error:
            raise RecordMismatch(
                f"{self.storage_json}: must say uri, got {error} (write it anew)"
            ) from error

    def set_storage(self, uri: str) -> None:
        """Say where checkpoints and records lie, from the next driver on."""
        write_atomically(self.storage_json, (json.dumps({"uri": uri}) + "\n").encode())

    def trial_path(self, index: int) -> Path:
        return self.path / "trials" / f"{index:05d}"

    def require_new(self) -> None:
        """Raise TuneError where something is there already."""
        if self.path.exists():
            raise TuneError(
                f"--out: must be a new folder, got {self.path}, which exists "
                f"(genretune resume {self.path}, or another --out)"
            )

    def create(self, space_text: str, sweep: Mapping[str, Any], storage: str | None = None) -> None:
        """Make the directory with its files, or nothing.

        Args:
            storage: URI in S3 of checkpoints and records.

        Raises:
            TuneError: something is there already.
        """
        self.require_new()
        try:
            self.path.mkdir(parents=True)
            write_atomically(self.space_yaml, space_text.encode())
            if storage is not None:
                self.set_storage(storage)
            write_atomically(self.sweep_json, (json.dumps(sweep, indent=1) + "\n").encode())
        except OSError as error:
            raise TuneError(
                f"--out: must be a folder that can be written, got {self.path} ({error.strerror})"
            ) from error

    def sweep(self) -> dict[str, Any]:
        """``sweep.json``.

        Raises:
            TuneError: this is no run directory, or one of another version.
        """
        try:
            sweep = read_object(self.sweep_json)
        except OSError as error:
            raise TuneError(
                f"{self.path}: must be a run directory, got no readable sweep.json in it "
                "(name the folder that genretune search wrote)"
            ) from error
        if sweep.get("version") != SWEEP_VERSION:
            raise RecordMismatch(f"{self.sweep_json}: must have version {SWEEP_VERSION}")
        check_shape("sweep", sweep, self.sweep_json)
        return sweep

    def holder(self) -> dict[str, Any]:
        """Who drives, or last drove, this directory; generation 0 before the first.

        Raises:
            DamagedRecord: ``driver.json`` does not say.
        """
        return read_holder(self.path)

    def driving(self) -> bool:
        """Whether a driver holds the directory, as far as can be seen from this machine."""
        return is_held(self.holder())

    def check_driver(self, generation: int) -> None:
        """See that this driver is still the one that holds the directory.

        Raises:
            Replaced: a newer one does.
        """
        newest = self.holder()["generation"]
        if newest > generation:
            raise Replaced(f"{self.path}: driver {generation} was replaced by {newest}")

    def check_lease(self, index: int, lease: "Lease") -> None:
        """See that what a segment of trial ``index`` writes still counts.

        Raises:
            Replaced: a newer driver holds the directory, or this one has given the segment up.
            StorageFailure: the directory cannot be seen; a path is no proof that it is mounted.
        """
        try:
            newest = json.loads(self.driver_json.read_text())["generation"]
            attempt = self.attempt(index)
        except (OSError, ValueError) as error:
            raise StorageFailure(
                f"{self.path}: must be there while it is driven, got {error}"
            ) from error
        lease.check(f"{self.path}", index, newest=newest, attempt=attempt)

    def revoke(self, index: int) -> None:
        """No segment of trial ``index`` that has begun before may write any more."""
        attempt = self._attempt(index)
        for folder in (attempt.parent.parent, attempt.parent):
            folder.mkdir(exist_ok=True)  # it may have been silent before it made any; never RUN
        write_atomically(attempt, str(self.attempt(index) + 1).encode())

    def attempt(self, index: int) -> int:
        """How often segments of trial ``index`` were given up.

        Raises:
            DamagedRecord: its file does not say.
        """
        path = self._attempt(index)
        try:
            text = read_text(path)
        except FileNotFoundError:
            return 0
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise DamagedRecord(f"{path}: must be a number, got {text[:20]!r} (remove it)")
        return int(text)

    def _attempt(self, index: int) -> Path:
        return self.trial_path(index) / "attempt"

    @contextmanager
    def drive(self, *, takeover: bool = False) -> Iterator[int]:
        """Hold the directory for a ``with`` block; gives this driver's generation.

        Args:
            takeover: take it from a holder on another host, whose life cannot be seen from here.

        Raises:
            TuneError: another driver holds it.
        """
        with hold(self.path, takeover=takeover) as generation:
            yield generation
