"""The source digest: a fingerprint of a corpus' files, over names and bytes.

Hashing a corpus reads all of it, so the digest of each file is cached with its size, inode and
modification times, and the file is read again only when one of these differs.
"""

import hashlib
import json
import os
import time
from pathlib import Path

from genretune.data.atomic_text import write_text_atomically
from genretune.data.corpus import Corpus

RECENT_NS = 2_000_000_000
"""Age below which a file's digest is not cached.

Timestamps are coarse (up to 2 s on FAT): a file written twice within one tick keeps its
modification time, and its old digest would be taken for the new content.
"""


def source_digest(corpus: Corpus, cache: Path | None = None) -> str:
    """Return the SHA-256 over each clip's name, class, manifest columns and bytes."""
    digests = _DigestCache(corpus.root, cache)
    rows = [
        [clip.name, clip.label, dict(sorted(clip.attributes.items())), digests.digest(clip.path)]
        for clip in corpus.clips
    ]
    digests.save()
    return hashlib.sha256(json.dumps(rows, separators=(",", ":")).encode()).hexdigest()


class _DigestCache:
    """Digests of files by path, in one JSON file per corpus in the cache folder."""

    def __init__(self, root: Path, cache: Path | None) -> None:
        self._file: Path | None = None
        self._cached: dict[str, list[object]] = {}
        self._current: dict[str, list[object]] = {}
        if cache is not None:
            key = hashlib.sha256(os.fsencode(root)).hexdigest()[:24]
            self._file = cache / f"files-{key}.json"
            try:
                self._cached = json.loads(self._file.read_text())
            except (OSError, ValueError):
                self._cached = {}

    def digest(self, path: Path) -> str:
        """Return a file's SHA-256, or a constant text for something that cannot be read."""
        try:
            if not path.is_file():
                return "not a file"
            # Before the file is read: a change during the read then shows up next time.
            stat = path.stat()
            key = hashlib.sha256(os.fsencode(path)).hexdigest()
            facts: list[object] = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
            cached = self._cached.get(key)
            if isinstance(cached, list) and cached[:-1] == facts:
                digest = str(cached[-1])
            else:
                digest = _sha256(path)
            if time.time_ns() - max(stat.st_mtime_ns, stat.st_ctime_ns) > RECENT_NS:
                self._current[key] = [*facts, digest]
            return digest
        except OSError as error:
            return f"unreadable: {error.errno}"

    def save(self) -> None:
        """Write the digests of the files that exist now, if they changed."""
        if self._file is None or self._current == self._cached:
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        write_text_atomically(self._file, json.dumps(self._current))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
