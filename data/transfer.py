"""A pack as bytes, for a node that does not see the cache folder: sent once, then local."""

import os
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from genretune.data.arrow_file import DamagedStore, Store
from genretune.data.errors import DataError, shown
from genretune.data.store import cache_folder, find_store, settle

Bytes = bytes | bytearray | memoryview | NDArray[np.uint8]
"""What a pack travels as."""


def store_bytes(store: Store) -> NDArray[np.uint8]:
    """The whole pack, uint8 [bytes], read-only and mapped: nothing is copied here."""
    return _mapped(store.path)


def install_store(data: Path | Bytes, samples_digest: str, cache: Path | None = None) -> Store:
    """Put a pack, as a file or as bytes, into this machine's cache folder and open it.

    Several processes may call this at once; one writes. What is there already is used. Errors:
    DataError when the bytes are not the pack of these samples.
    """
    folder = cache_folder(cache)
    with FileLock(folder / f"install-{samples_digest[:24]}.lock"):
        store = find_store(samples_digest, folder)
        if store is not None:
            return store
        beside = folder / f"install-{samples_digest[:24]}.{os.getpid()}.tmp"
        try:
            _write(beside, data)
            store = Store(beside)
            store.verify()
            if store.samples_digest != samples_digest:
                raise DataError(
                    f"data store: the pack of samples {samples_digest[:12]}, got one of "
                    f"{store.samples_digest[:12]}"
                )
            return Store(settle(beside, store, folder))
        except DamagedStore as error:
            raise DataError(f"data store: a whole pack, got damage ({error})") from None
        finally:
            beside.unlink(missing_ok=True)


def _write(path: Path, data: Path | Bytes) -> None:
    with path.open("wb") as file:
        whole = _mapped(data) if isinstance(data, Path) else data
        file.write(whole.data if isinstance(whole, np.ndarray) else whole)


def _mapped(path: Path) -> NDArray[np.uint8]:
    """A file's bytes. Errors: DataError when it cannot be read."""
    try:
        return np.memmap(path, dtype=np.uint8, mode="r")
    except (OSError, ValueError) as error:
        raise DataError(f"data store: a pack, got {shown(path)} ({error})") from None
