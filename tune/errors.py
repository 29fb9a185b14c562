"""What can go wrong, as the user sees it.

    TuneError                 exit 2: bad usage or configuration
    ├── RunFailure            exit 1: something failed at run time
    │   └── Contradiction     a second report of (trial, epoch) with another digest
    ├── ReplayDiverged        exit 4: a replay that is not the recorded trial
    └── RecordMismatch        exit 5: data, environment or machine is not what the record says
        └── DamagedRecord     a file of a run directory that this program cannot have written

Messages are one line: ``where: rule, got value (what to do)``.
"""

from typing import ClassVar


class TuneError(Exception):
    """Bad usage or configuration; the command line prints the message and exits."""

    exit_code: ClassVar[int] = 2


class RunFailure(TuneError):
    """Something failed while running that is not the user's configuration."""

    exit_code: ClassVar[int] = 1


class Contradiction(RunFailure):
    """The same epoch of the same trial was reported with two different weights digests."""


class ReplayDiverged(TuneError):
    """A replay whose bits differ from the record."""

    exit_code: ClassVar[int] = 4


class RecordMismatch(TuneError):
    """The data, the environment or the machine is not what the record says."""

    exit_code: ClassVar[int] = 5


class DamagedRecord(RecordMismatch, RunFailure):
    """A file of a run directory that this program cannot have written; never a trial's fault."""
