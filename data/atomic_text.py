"""Replacing small text files in the cache folder."""

import os
from pathlib import Path


def write_text_atomically(path: Path, text: str) -> None:
    """Replace a text file in one step: a reader sees the old content or the new, never a part.

    Not flushed to disk: for files that are rebuilt when they are missing or damaged.

    Raises:
        OSError: the file cannot be written; no temporary file is left behind.
    """
    # The process id keeps two processes from writing into one temporary file.
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
