"""The source digest: which files a corpus consists of, by names and bytes.

Hashing a corpus reads it whole, so each file's digest is remembered with its size, inode and
time of change, and read again only when one of these differs.
"""

import hashlib
import json
import os
import time
from pathlib import Path

from genretune.data.corpus import Corpus

SETTLED_NS = 2_000_000_000
"""A file changed less than this ago is hashed again next time: its clock may not tick since."""


def source_digest(corpus: Corpus, cache: Path | None = None) -> str:
    """SHA-256 over each clip's name, class, manifest columns and bytes, in order of names."""
    memory = _Memory(corpus.root, cache)
    rows = [
        [clip.name, clip.label, dict(sorted(clip.attributes.items())), memory.digest(clip.path)]
        for clip in corpus.clips
    ]
    memory.save()
    return hashlib.sha256(json.dumps(rows, separators=(",", ":")).encode()).hexdigest()


class _Memory:
    """Digests of files by path, kept in one JSON file per corpus in the cache folder."""

    def __init__(self, root: Path, cache: Path | None) -> None:
        self._file: Path | None = None
        self._known: dict[str, list[object]] = {}
        self._seen: dict[str, list[object]] = {}
        if cache is not None:
            key = hashlib.sha256(os.fsencode(root)).hexdigest()[:24]
            self._file = cache / f"files-{key}.json"
            try:
                self._known = json.loads(self._file.read_text())
            except (OSError, ValueError):
                self._known = {}

    def digest(self, path: Path) -> str:
        try:
            if not path.is_file():
                return "not a file"
            stat = path.stat()
            key = hashlib.sha256(os.fsencode(path)).hexdigest()
            facts: list[object] = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
            known = self._known.get(key)
            if isinstance(known, list) and known[:-1] == facts:
                digest = str(known[-1])
            else:
                digest = _sha256(path)
            if time.time_ns() - max(stat.st_mtime_ns, stat.st_ctime_ns) > SETTLED_NS:
                self._seen[key] = [*facts, digest]
            return digest
        except OSError as error:
            return f"unreadable: {error.errno}"

    def save(self) -> None:
        if self._file is None or self._seen == self._known:
            return
        beside = self._file.with_name(f"{self._file.name}.{os.getpid()}.tmp")
        self._file.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(json.dumps(self._seen))
        beside.replace(self._file)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
