"""The signals that end a driver gracefully; a second one ends it immediately.

SIGINT ends it as ``interrupted``; SIGTERM, SIGUSR1 and SIGHUP as ``terminated``.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Literal

InterruptionKind = Literal["interrupted", "terminated"]
HANDLED_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)
INTERRUPTION_EXIT_CODES: dict[InterruptionKind, int] = {"interrupted": 130, "terminated": 75}


class Interrupted(BaseException):
    """Unwinds Ray's loop; a BaseException, since Ray catches ``Exception``."""


class StopSignal:
    """The first signal received.

    Attributes:
        kind: None before any.
        raise_immediately: whether the first signal raises Interrupted in the main thread, wherever
            that is; otherwise it waits for ``check``.
    """

    def __init__(self) -> None:
        self.kind: InterruptionKind | None = None
        self.raise_immediately = True
        self._terminal_descriptors = [number for number in (1, 2) if os.isatty(number)]

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal; see ``signal.signal``."""
        kind: InterruptionKind = "interrupted" if number == signal.SIGINT else "terminated"
        if number == signal.SIGHUP:
            self._detach_terminal()
            if self.kind is not None:
                return  # a closing terminal may send it twice: no second request by the user
        if self.kind is not None:
            os._exit(INTERRUPTION_EXIT_CODES[kind])
        self.kind = kind
        if self.raise_immediately:
            raise Interrupted

    def _detach_terminal(self) -> None:
        """Redirect output to the null device: writing to a closed terminal is an error."""
        null = os.open(os.devnull, os.O_WRONLY)
        for number in self._terminal_descriptors:
            os.dup2(null, number)
        os.close(null)

    def install_handlers(self) -> None:
        """Install the handlers; call it again after a library has installed its own.

        A SIGHUP that is ignored stays ignored, as under ``nohup``.
        """
        for number in HANDLED_SIGNALS:
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self.handle)

    def check(self) -> None:
        """Raise Interrupted if a signal has been received."""
        if self.kind is not None:
            raise Interrupted


@contextmanager
def handle_signals() -> Iterator[StopSignal]:
    """Handle SIGINT, SIGTERM, SIGUSR1 and SIGHUP for a ``with`` block."""
    stop_signal = StopSignal()
    before = {number: signal.getsignal(number) for number in HANDLED_SIGNALS}
    stop_signal.install_handlers()
    try:
        yield stop_signal
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
