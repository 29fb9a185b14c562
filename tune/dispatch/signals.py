"""The signals that end a driver in order: noted, never died of; a second one ends at once."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Literal

Kind = Literal["interrupted", "terminated"]
NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)
EXIT: dict[Kind, int] = {"interrupted": 130, "terminated": 75}


class Interrupted(BaseException):
    """Leaves Ray's loop; no ``except Exception`` of Ray's catches it."""


class StopSignal:
    """The end that a signal asked for.

    Attributes:
        kind: None before any.
        at_once: whether the first signal raises Interrupted where the main thread is, instead of
            waiting to be looked at.
    """

    def __init__(self) -> None:
        self.kind: Kind | None = None
        self.at_once = True
        self._terminal = [number for number in (1, 2) if os.isatty(number)]

    def note(self, number: int, frame: FrameType | None) -> None:
        kind: Kind = "interrupted" if number == signal.SIGINT else "terminated"
        if number == signal.SIGHUP:
            self._leave_terminal()
            if self.kind is not None:
                return  # a terminal that closes may say so more than once
        if self.kind is not None:
            os._exit(EXIT[kind])
        self.kind = kind
        if self.at_once:
            raise Interrupted

    def _leave_terminal(self) -> None:
        """The terminal has closed: writing to it would be an error."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for number in self._terminal:
            os.dup2(nowhere, number)
        os.close(nowhere)

    def install(self) -> None:
        """Take the signals, again where somebody else has taken them since; nohup's is left."""
        for number in NUMBERS:
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self.note)

    def check(self) -> None:
        """Raise Interrupted where a signal has come."""
        if self.kind is not None:
            raise Interrupted


@contextmanager
def signals() -> Iterator[StopSignal]:
    """Note SIGINT, SIGTERM, SIGUSR1 and SIGHUP for a ``with`` block."""
    wanted = StopSignal()
    before = {number: signal.getsignal(number) for number in NUMBERS}
    wanted.install()
    try:
        yield wanted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
