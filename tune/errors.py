"""Exceptions of ``tune`` and their exit codes.

    TuneError                 exit 2: bad usage or configuration
    ├── RefusedEnvironment    the process was not started as the determinism level needs it
    ├── RunFailure            exit 1: something failed at run time
    │   └── Contradiction     a second report of (trial, epoch) with another weights digest
    ├── ReplayDiverged        exit 4: the replay differs from the recorded trial
    └── RecordMismatch        exit 5: data, environment or machine differs from the record
        └── DamagedRecord     a file of a run directory that this program cannot have written

Messages are one line: ``where: rule, got value (what to do)``.
"""

from typing import ClassVar


class TuneError(Exception):
    """Bad usage or configuration; the command line prints the message and exits."""

    exit_code: ClassVar[int] = 2


class RunFailure(TuneError):
    """A failure at run time that the user's configuration did not cause."""

    exit_code: ClassVar[int] = 1


class RefusedEnvironment(TuneError):
    """A process whose environment variables the determinism level does not allow."""


class Contradiction(RunFailure):
    """Two reports of the same epoch of the same trial with different weights digests."""


class ReplayDiverged(TuneError):
    """A replay whose bits differ from the record."""

    exit_code: ClassVar[int] = 4


class RecordMismatch(TuneError):
    """Data, environment or machine that differs from the record."""

    exit_code: ClassVar[int] = 5


class DamagedRecord(RecordMismatch, RunFailure):
    """A file of a run directory that this program cannot have written.

    Never caused by a trial, so it must not count as a trial's failure.
    """
