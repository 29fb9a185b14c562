"""Standard error without the words that decoders written in C put there."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

_Item = TypeVar("_Item")


@contextmanager
def suppress_stderr() -> Iterator[None]:
    """Keep libmpg123's words about damaged MP3 frames off the terminal for a ``with`` block.

    The descriptor is the whole process's: what Python or another thread writes to it meanwhile is
    lost too, and blocks of several threads must not overlap.
    """
    sys.stderr.flush()
    try:
        kept = os.dup(2)
    except OSError:  # closed by whoever started us, so there is nothing to keep clean
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def suppress_stderr_while(items: Iterator[_Item]) -> Iterator[_Item]:
    """The same items; only while the next one is made is standard error kept quiet."""
    while True:
        with suppress_stderr():
            try:
                item = next(items)
            except StopIteration:
                return
        yield item
