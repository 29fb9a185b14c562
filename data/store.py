"""Finding and making the packed form of a corpus.

The cache folder (environment variable GENRETUNE_CACHE, else the user's cache folder) holds files
``SOURCE-RATE-SAMPLES.arrow``, named by the first 24 digits of two digests: `source` (names and
bytes of the files) finds the pack of a folder, `samples` (int16 after decoding and resampling)
is what a trial's configuration states.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import platformdirs
from filelock import FileLock

from genretune.data.arrow_file import DamagedStore, Packed, Store, write_store
from genretune.data.audio import decode
from genretune.data.corpus import Corpus, list_corpus
from genretune.data.errors import DataError, shown
from genretune.data.fingerprint import source_digest

__all__ = ["Store", "cache_folder", "find_store", "open_corpus"]

_DIGITS = 24


def cache_folder(cache: Path | None = None) -> Path:
    """The folder for packs: given, or GENRETUNE_CACHE, or the user's cache folder."""
    if cache is not None:
        return Path(cache).absolute()
    named = os.environ.get("GENRETUNE_CACHE")
    return Path(named or platformdirs.user_cache_dir("genretune")).absolute()


def open_corpus(path: Path, *, sample_rate: int = 22050, cache: Path | None = None) -> Store:
    """The packed form of the corpus at `path`, made at first use and found again by its files.

    Several processes may call this at once; one packs, the others wait. Errors: DataError.
    """
    corpus = list_corpus(Path(path))
    folder = cache_folder(cache)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        source = source_digest(corpus, folder)
        stem = f"{source[:_DIGITS]}-{sample_rate}"
        with FileLock(folder / f"{stem}.lock"):
            return _existing(folder, stem) or _pack(corpus, folder, source, sample_rate)
    except OSError as error:
        raise DataError(
            f"GENRETUNE_CACHE: a folder that can be written, got {shown(folder)} "
            f"({error.strerror}) (set GENRETUNE_CACHE to another)"
        ) from None


def find_store(samples_digest: str, cache: Path | None = None) -> Store | None:
    """The pack with these samples in the cache folder, or None."""
    folder = cache_folder(cache)
    for path in sorted(folder.glob(f"*-*-{samples_digest[:_DIGITS]}.arrow")):
        try:
            store = Store(path)
        except DamagedStore:
            continue
        if store.samples_digest == samples_digest:
            return store
    return None


def _existing(folder: Path, stem: str) -> Store | None:
    for path in sorted(folder.glob(f"{stem}-*.arrow")):
        try:
            return Store(path)
        except DamagedStore:
            path.unlink(missing_ok=True)
    return None


def _pack(corpus: Corpus, folder: Path, source: str, sample_rate: int) -> Store:
    """Write beside, look at what was written, rename to the name that its samples give."""
    beside = folder / f"{source[:_DIGITS]}-{sample_rate}.{os.getpid()}.tmp"
    try:
        write_store(beside, _decoded(corpus, sample_rate), sample_rate=sample_rate, source=source)
        with beside.open("rb") as written:
            os.fsync(written.fileno())
        digest = Store(beside).samples_digest
        path = folder / f"{source[:_DIGITS]}-{sample_rate}-{digest[:_DIGITS]}.arrow"
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    return Store(path)


def _decoded(corpus: Corpus, sample_rate: int) -> Iterator[Packed]:
    for clip in corpus.clips:
        got = decode(clip.path, sample_rate)
        yield Packed(
            clip.name, clip.file, clip.label, got.samples, got.fault, got.detail, clip.attributes
        )
