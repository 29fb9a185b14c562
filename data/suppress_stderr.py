"""Silencing decoders written in C that print to standard error."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

_Item = TypeVar("_Item")


@contextmanager
def suppress_stderr() -> Iterator[None]:
    """Discard standard error inside a ``with`` block.

    libmpg123 reports damaged MP3 frames there, past every Python stream, so the file descriptor
    itself is redirected. It belongs to the whole process: what Python or another thread writes
    to it meanwhile is lost too, and blocks in several threads must not overlap.
    """
    sys.stderr.flush()  # buffered text was written before the block and must not be lost
    try:
        saved = os.dup(2)
    except OSError:  # the process was started with standard error closed: nothing to silence
        yield
        return
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(null)


def suppress_stderr_while(items: Iterator[_Item]) -> Iterator[_Item]:
    """Yield the same items, with standard error discarded only while each item is produced."""
    while True:
        with suppress_stderr():
            try:
                item = next(items)
            except StopIteration:
                return
        yield item
