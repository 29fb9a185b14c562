"""Packing a corpus into the cache folder, and finding it there.

The cache folder (environment variable GENRETUNE_CACHE, else the user's cache folder) holds files
``SOURCE-RATE-SAMPLES.arrow``, named by the first 24 digits of two digests: the source digest
(names and bytes of the files) finds the store of a folder, the samples digest (int16 after decoding
and resampling) is the one in a trial's configuration. A small ``.ok`` file beside each records the
size and modification time at which its samples were last compared with their digests: a store that
changed since is verified again before it is used, and packed again if it is damaged.
"""

import json
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import platformdirs
from filelock import FileLock

from genretune.data.arrow_file import DamagedStore, PackedClip, Store, write_store
from genretune.data.atomic_text import write_text_atomically
from genretune.data.clip_analysis import (
    AnalysisCollector,
    ClipAnalysis,
    Progress,
    analyses_path,
    analyze_clips,
    save_analyses,
)
from genretune.data.corpus import Corpus, list_corpus
from genretune.data.errors import DataError, SamplesChanged, printable_line
from genretune.data.fingerprint import source_digest
from genretune.data.versions import decoder_versions

__all__ = ["Store", "cache_folder", "find_store", "open_corpus", "require_samples"]

DIGITS = 24
"""Leading digits of a digest that appear in file names."""


def cache_path(cache: Path | None = None) -> Path:
    """Return where the cache folder is or will be: ``cache``, GENRETUNE_CACHE or the user's."""
    configured = cache or os.environ.get("GENRETUNE_CACHE")
    return Path(configured or platformdirs.user_cache_dir("genretune")).absolute()


def cache_folder(cache: Path | None = None) -> Path:
    """Return the cache folder (see ``cache_path``), created if missing.

    Raises:
        DataError: it cannot be created.
    """
    folder = cache_path(cache)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _not_writable(folder, error) from None
    return folder


def open_corpus(
    path: Path,
    *,
    sample_rate: int = 22050,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> Store:
    """Open the packed form of the corpus at ``path``, packing it on first use.

    Several processes may call this at once; one packs, the others wait.

    Args:
        sample_rate: of the packed samples, in Hz.
        cache: the cache folder (see ``cache_folder``).
        progress: called with the number of clips decoded while packing.

    Raises:
        DataError: there is no corpus, or the cache folder is not writable.
        SamplesChanged: a damaged store was packed again, and decoding gave other samples.
    """
    corpus = list_corpus(Path(path))
    folder = cache_folder(cache)
    try:
        source = source_digest(corpus, folder)
        stem = f"{source[:DIGITS]}-{sample_rate}"
        with FileLock(folder / f"{stem}.lock"):
            store, damaged = _open_intact(folder, stem)
            if store is None:
                store = _pack(corpus, folder, source, sample_rate, progress)
    except OSError as error:
        raise _not_writable(folder, error) from None
    # The files are the same, so other samples mean another decoder version. Continuing silently
    # would make the trials of one sweep incomparable.
    for old in damaged:
        if not store.samples_digest.startswith(old):
            raise SamplesChanged(
                f"data: the same files must give the samples {old} as before, got "
                f"{store.samples_digest[:DIGITS]}, decoded by {store.decoders} (trials on the old "
                "samples cannot be replayed; repeat the command to use the new ones)"
            )
    return store


def find_store(samples_digest: str, cache: Path | None = None) -> Store | None:
    """Return the intact store with these samples in the cache folder, or None."""
    folder = cache_folder(cache)
    if not re.fullmatch("[0-9a-f]+", samples_digest):
        return None  # not a digest: it must not reach the glob pattern below
    for path in sorted(folder.glob(f"*-*-{samples_digest[:DIGITS]}.arrow")):
        try:
            store = open_verified(path)
        except DamagedStore:
            continue
        if store.samples_digest == samples_digest:
            return store
    return None


def local_store(path: Path, samples_digest: str) -> Store | None:
    """Return the store at ``path``, else the one in the cache, that has these samples; or None.

    The digest decides: on another machine the same path may hold another corpus.
    """
    if path.exists() and (store := Store(path)).samples_digest == samples_digest:
        return store
    return find_store(samples_digest)


def require_samples(store: Store, samples: str, source: str | None = None) -> None:
    """Check that a store has the samples that a record was made with.

    Args:
        samples, source: the record's digests.

    Raises:
        SamplesChanged: it has not; the message tells other files from another decoder version.
    """
    if store.samples_digest == samples:
        return
    if source is not None and store.source_digest == source:
        raise SamplesChanged(
            f"data: must have the recorded samples {samples[:12]}, got "
            f"{store.samples_digest[:12]} from the same files, decoded by {store.decoders} "
            "(install the recorded versions)"
        )
    raise SamplesChanged(
        f"data: must have the recorded samples {samples[:12]}, got {store.samples_digest[:12]} "
        "(other files, classes or groups: set --data to the corpus of the record)"
    )


def open_verified(path: Path) -> Store:
    """Open a store, verifying its samples first if it changed since they were last verified.

    Raises:
        DamagedStore: the store is damaged.
    """
    store = Store(path)
    stat = path.stat()
    facts = [stat.st_size, stat.st_mtime_ns]
    try:
        verified = json.loads(path.with_suffix(".ok").read_text()) == facts
    except (OSError, ValueError):
        verified = False
    if not verified:
        store.verify()
        mark_verified(path)
    return store


def mark_verified(path: Path) -> None:
    """Record that a store is intact at its present size and modification time.

    Skipped in a read-only folder, where a store is verified each time it is opened.
    """
    stat = path.stat()
    with suppress(OSError):
        write_text_atomically(path.with_suffix(".ok"), json.dumps([stat.st_size, stat.st_mtime_ns]))


def _open_intact(folder: Path, stem: str) -> tuple[Store | None, list[str]]:
    """Return an intact store of these files, or the samples digests of damaged ones, now removed.

    The caller holds the lock: a damaged store must not be removed while another process packs.
    """
    damaged = []
    for path in sorted(folder.glob(f"{stem}-*.arrow")):
        try:
            return open_verified(path), []
        except DamagedStore:
            damaged.append(path.stem.split("-")[-1])
            path.unlink(missing_ok=True)
    return None, damaged


def _pack(
    corpus: Corpus, folder: Path, source: str, sample_rate: int, progress: Progress | None
) -> Store:
    """Pack a corpus into a temporary file and publish it.

    The samples digest, which is part of the final name, is known only once all is written.
    """
    stem = f"{source[:DIGITS]}-{sample_rate}"
    # Temporary files of killed processes: no other process can be packing, as we hold the lock.
    for abandoned in folder.glob(f"{stem}.*.tmp"):
        abandoned.unlink(missing_ok=True)
    temporary = folder / f"{stem}.{os.getpid()}.tmp"
    collector = AnalysisCollector()
    try:
        analyses = collector.collect(analyze_clips(corpus, sample_rate, progress))
        write_store(
            temporary,
            _packed(analyses),
            sample_rate=sample_rate,
            source=source,
            decoders=decoder_versions(),
        )
        path = publish(temporary, Store(temporary), folder)
    finally:
        temporary.unlink(missing_ok=True)
    save_analyses(analyses_path(folder, source, sample_rate), collector.analyses, source)
    return Store(path)


def publish(temporary: Path, store: Store, folder: Path) -> Path:
    """Flush a written store to disk, rename it after its contents, and return the new path."""
    # Flushed before the rename: after a power cut the final name could otherwise stand for a file
    # without its contents.
    with temporary.open("rb") as written:
        os.fsync(written.fileno())
    source, rate, samples = store.source_digest, store.sample_rate, store.samples_digest
    path = folder / f"{source[:DIGITS]}-{rate}-{samples[:DIGITS]}.arrow"
    temporary.replace(path)
    # After the rename, since the mark records the size and time of the file at its final path.
    mark_verified(path)
    return path


def _packed(analyses: Iterator[ClipAnalysis]) -> Iterator[PackedClip]:
    for clip in analyses:
        yield PackedClip(
            name=clip.name,
            file=clip.file,
            label=clip.label,
            samples=clip.samples,
            sha256=clip.sha256,
            fault=clip.fault,
            detail=clip.detail,
            attributes=clip.attributes,
        )


def _not_writable(folder: Path, error: OSError) -> DataError:
    return DataError(
        f"GENRETUNE_CACHE: must be a writable folder, got {printable_line(folder)} "
        f"({error.strerror}) (set GENRETUNE_CACHE to another)"
    )
