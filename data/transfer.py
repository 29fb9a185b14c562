"""Sending a packed corpus as bytes to a node that cannot see the cache folder."""

import os
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from genretune.data.arrow_file import DamagedStore, Store
from genretune.data.errors import DataError, printable_line
from genretune.data.store import cache_folder, find_store, publish

Bytes = bytes | bytearray | memoryview | NDArray[np.uint8]
"""A packed corpus in memory."""


def store_bytes(store: Store) -> NDArray[np.uint8]:
    """Return a packed corpus as uint8 [bytes], read-only and memory-mapped without a copy."""
    return _mapped(store.path)


def install_store(data: Path | Bytes, samples_digest: str, cache: Path | None = None) -> Store:
    """Write a packed corpus, given as a file or bytes, into this node's cache folder and open it.

    A store with these samples in the cache is used instead. Several processes may call this at
    once; one writes.

    Raises:
        DataError: the bytes are not the packed corpus with these samples.
    """
    folder = cache_folder(cache)
    # Workers of one node start together: without the lock each would write its own copy.
    with FileLock(folder / f"install-{samples_digest[:24]}.lock"):
        store = find_store(samples_digest, folder)
        if store is not None:
            return store
        temporary = folder / f"install-{samples_digest[:24]}.{os.getpid()}.tmp"
        try:
            _write(temporary, data)
            store = Store(temporary)
            # Verified before it gets its final name, under which other processes trust it.
            store.verify()
            if store.samples_digest != samples_digest:
                raise DataError(
                    f"data store: must have the samples {samples_digest[:12]}, got "
                    f"{store.samples_digest[:12]}"
                )
            return Store(publish(temporary, store, folder))
        except DamagedStore as error:
            raise DataError(f"data store: must be an intact file, got damage ({error})") from None
        finally:
            temporary.unlink(missing_ok=True)


def _write(path: Path, data: Path | Bytes) -> None:
    with path.open("wb") as file:
        content = _mapped(data) if isinstance(data, Path) else data
        file.write(content.data if isinstance(content, np.ndarray) else content)


def _mapped(path: Path) -> NDArray[np.uint8]:
    """Return a file's bytes.

    Raises:
        DataError: it cannot be read.
    """
    try:
        return np.memmap(path, dtype=np.uint8, mode="r")
    except (OSError, ValueError) as error:
        raise DataError(
            f"data store: must be a readable file, got {printable_line(path)} ({error})"
        ) from None
