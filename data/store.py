"""Finding and making the packed form of a corpus.

The cache folder (environment variable GENRETUNE_CACHE, else the user's cache folder) holds files
``SOURCE-RATE-SAMPLES.arrow``, named by the first 24 digits of two digests: `source` (names and
bytes of the files) finds the pack of a folder, `samples` (int16 after decoding and resampling)
is what a trial's configuration states. Beside each lies a small ``.ok`` file with the size and
time of change at which its contents were last compared with their digests: a pack that was
touched since is read through before it is trusted, and packed again when it is damaged.
"""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import platformdirs
from filelock import FileLock

from genretune.data.arrow_file import DamagedStore, Packed, Store, write_store
from genretune.data.clip_analysis import (
    ClipAnalysis,
    Notebook,
    Progress,
    analyses_path,
    analyze_clips,
    save_analyses,
)
from genretune.data.corpus import Corpus, list_corpus
from genretune.data.errors import DataError, SamplesChanged, shown
from genretune.data.fingerprint import source_digest
from genretune.data.versions import decoders

__all__ = ["Store", "cache_folder", "find_store", "open_corpus", "require_samples"]

DIGITS = 24


def cache_folder(cache: Path | None = None) -> Path:
    """The folder for packs: given, or GENRETUNE_CACHE, or the user's cache folder.

    It is made if need be. Errors: DataError when it cannot be.
    """
    named = cache or os.environ.get("GENRETUNE_CACHE")
    folder = Path(named or platformdirs.user_cache_dir("genretune")).absolute()
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
    """The packed form of the corpus at `path`, made at first use and found again by its files.

    Several processes may call this at once; one packs, the others wait. Errors: DataError;
    SamplesChanged when a damaged pack was made again and decoding gives other samples now.
    """
    corpus = list_corpus(Path(path))
    folder = cache_folder(cache)
    try:
        source = source_digest(corpus, folder)
        stem = f"{source[:DIGITS]}-{sample_rate}"
        with FileLock(folder / f"{stem}.lock"):
            found, damaged = _existing(folder, stem)
            if found is None:
                found = _pack(corpus, folder, source, sample_rate, progress)
    except OSError as error:
        raise _not_writable(folder, error) from None
    for old in damaged:
        if not found.samples_digest.startswith(old):
            raise SamplesChanged(
                f"data: the same files gave samples {old} before, got "
                f"{found.samples_digest[:DIGITS]} now, decoded by {found.decoders} (what was "
                "trained on the old ones cannot be replayed; call again to use the new ones)"
            )
    return found


def find_store(samples_digest: str, cache: Path | None = None) -> Store | None:
    """The whole pack with these samples in the cache folder, or None."""
    folder = cache_folder(cache)
    if not re.fullmatch("[0-9a-f]+", samples_digest):
        return None  # no digest, so no part of a file's name
    for path in sorted(folder.glob(f"*-*-{samples_digest[:DIGITS]}.arrow")):
        try:
            store = checked(path)
        except DamagedStore:
            continue
        if store.samples_digest == samples_digest:
            return store
    return None


def require_samples(store: Store, samples: str, source: str | None = None) -> None:
    """Check that a store holds what a record was made from.

    `samples` and `source` are the record's digests. Errors: SamplesChanged, telling whether the
    files differ or only what decoding makes of them.
    """
    if store.samples_digest == samples:
        return
    if source is not None and store.source_digest == source:
        raise SamplesChanged(
            f"data: samples {samples[:12]} as recorded, got {store.samples_digest[:12]} from the "
            f"same files, decoded by {store.decoders} (install the versions of the record)"
        )
    raise SamplesChanged(
        f"data: samples {samples[:12]} as recorded, got {store.samples_digest[:12]} "
        "(other files, classes or groups: point --data to the corpus of the record)"
    )


def checked(path: Path) -> Store:
    """Open a pack; read it through first if it changed since that was done last.

    Errors: DamagedStore.
    """
    store = Store(path)
    stat = path.stat()
    facts = [stat.st_size, stat.st_mtime_ns]
    stamp = path.with_suffix(".ok")
    try:
        trusted = json.loads(stamp.read_text()) == facts
    except (OSError, ValueError):
        trusted = False
    if not trusted:
        store.verify()
        put_stamp(path)
    return store


def put_stamp(path: Path) -> None:
    """Note that a pack is whole as it lies there now; skipped where nothing can be written."""
    stat = path.stat()
    beside = path.with_suffix(f".{os.getpid()}.ok.tmp")
    try:
        beside.write_text(json.dumps([stat.st_size, stat.st_mtime_ns]))
        beside.replace(path.with_suffix(".ok"))
    except OSError:
        beside.unlink(missing_ok=True)


def _existing(folder: Path, stem: str) -> tuple[Store | None, list[str]]:
    """A whole pack of these files, and the samples digests of damaged ones, now removed."""
    damaged = []
    for path in sorted(folder.glob(f"{stem}-*.arrow")):
        try:
            return checked(path), []
        except DamagedStore:
            damaged.append(path.stem.split("-")[-1])
            path.unlink(missing_ok=True)
    return None, damaged


def _pack(
    corpus: Corpus, folder: Path, source: str, sample_rate: int, progress: Progress | None
) -> Store:
    """Write beside, look at what was written, rename to the name that its samples give."""
    stem = f"{source[:DIGITS]}-{sample_rate}"
    for left in folder.glob(f"{stem}.*.tmp"):  # of packers that were killed: we hold the lock
        left.unlink(missing_ok=True)
    beside = folder / f"{stem}.{os.getpid()}.tmp"
    notebook = Notebook()
    try:
        heard = notebook.keep(analyze_clips(corpus, sample_rate, progress))
        write_store(
            beside, _packed(heard), sample_rate=sample_rate, source=source, decoders=decoders()
        )
        path = settle(beside, Store(beside), folder)
    finally:
        beside.unlink(missing_ok=True)
    save_analyses(analyses_path(folder, source, sample_rate), notebook.heard, source)
    return Store(path)


def settle(beside: Path, store: Store, folder: Path) -> Path:
    """Bring a written file to the disk and give it the name that its contents call for."""
    with beside.open("rb") as written:
        os.fsync(written.fileno())
    source, rate, samples = store.source_digest, store.sample_rate, store.samples_digest
    path = folder / f"{source[:DIGITS]}-{rate}-{samples[:DIGITS]}.arrow"
    beside.replace(path)
    put_stamp(path)
    return path


def _packed(heard: Iterator[ClipAnalysis]) -> Iterator[Packed]:
    for clip in heard:
        yield Packed(
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
        f"GENRETUNE_CACHE: a folder that can be written, got {shown(folder)} "
        f"({error.strerror}) (set GENRETUNE_CACHE to another)"
    )
