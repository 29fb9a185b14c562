"""Analysing every clip of a corpus once, and caching the result.

An analysis holds the faults, notes, sample digest and near-duplicate hashes of a clip, not its
samples. The analyses of a corpus are cached in one Arrow file, under the corpus' source digest,
so that scans, duplicate checks and the leakage check need not decode the files again.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from genretune.data.arrow_file import numbers, samples_sha256
from genretune.data.audio import decode
from genretune.data.corpus import Clip, Corpus
from genretune.data.duplicates.near_duplicate_hash import near_duplicate_hash
from genretune.data.suppress_stderr import suppress_stderr
from genretune.data.versions import decoder_versions

VERSION = "1"
Progress = Callable[[int, int], None]
"""Callback with (clips done, clips in total)."""


@dataclass(frozen=True)
class ClipAnalysis:
    """Result of decoding one clip.

    Attributes:
        sha256: digest of the samples.
        length: number of samples.
        rate, channels, seconds: of the file; see ``Decoded``.
        fault: why the clip is unusable, or None; ``detail`` is one line about it.
        notes: (finding, detail) pairs that leave the clip usable.
        hashes: near-duplicate hashes, uint32 [F].
        samples: int16 mono [T]; empty if the analysis comes from the cache.
        attributes: columns of the corpus' manifest.
    """

    name: str
    file: str
    label: str
    sha256: str
    length: int
    rate: int
    channels: int
    seconds: float
    fault: str | None
    detail: str
    notes: tuple[tuple[str, str], ...]
    hashes: NDArray[np.uint32]
    samples: NDArray[np.int16]
    attributes: dict[str, str]


def analyze_clip(clip: Clip, sample_rate: int) -> ClipAnalysis:
    """Decode and analyse one clip; faulty content never raises."""
    decoded = decode(clip.path, sample_rate)
    return ClipAnalysis(
        name=clip.name,
        file=clip.file,
        label=clip.label,
        sha256=samples_sha256(decoded.samples),
        length=int(decoded.samples.shape[0]),
        rate=decoded.rate,
        channels=decoded.channels,
        seconds=decoded.seconds,
        fault=decoded.fault,
        detail=decoded.detail,
        notes=decoded.notes,
        hashes=near_duplicate_hash(decoded.samples, sample_rate),
        samples=decoded.samples,
        attributes=clip.attributes,
    )


def analyze_clips(
    corpus: Corpus, sample_rate: int, progress: Progress | None = None
) -> Iterator[ClipAnalysis]:
    """Yield the analyses of all clips in the corpus' order.

    Clips are decoded on one thread per core (at most 8), and only a few are in memory at once.
    """
    threads = min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2)
    # Only libmpg123 prints to standard error. Silencing it also loses what Python prints there
    # meanwhile, so corpora without MP3 files are decoded without.
    has_mp3 = any(clip.file.lower().endswith(".mp3") for clip in corpus.clips)
    with suppress_stderr() if has_mp3 else nullcontext(), ThreadPoolExecutor(threads) as pool:
        pending: deque[Future[ClipAnalysis]] = deque()
        clips = iter(corpus.clips)
        for done in range(len(corpus.clips)):
            # A bounded queue: submitting all clips at once would hold the whole corpus in memory
            # whenever the reader is slower than the decoders.
            for clip in clips:
                pending.append(pool.submit(analyze_clip, clip, sample_rate))
                if len(pending) > threads:
                    break
            yield pending.popleft().result()
            if progress is not None:
                progress(done + 1, len(corpus.clips))


class AnalysisCollector:
    """Copy of every analysis that passes through ``collect``, without the samples."""

    def __init__(self) -> None:
        self.analyses: list[ClipAnalysis] = []

    def collect(self, clips: Iterable[ClipAnalysis]) -> Iterator[ClipAnalysis]:
        """Yield the same analyses, samples included."""
        for clip in clips:
            # copy(): an empty slice would still keep the whole array alive.
            self.analyses.append(replace(clip, samples=clip.samples[:0].copy()))
            yield clip


def analyses_path(cache: Path, source: str, sample_rate: int) -> Path:
    """Return the path of a corpus' cached analyses."""
    return cache / f"heard-{source[:24]}-{sample_rate}.arrow"


def save_analyses(path: Path, analyses: Sequence[ClipAnalysis], source: str) -> None:
    """Write analyses to a temporary file and rename it, so that no reader sees a partial one.

    Raises:
        OSError: the file cannot be written.
    """
    columns: dict[str, list[object]] = {
        name: [getattr(clip, name) for clip in analyses] for name in _PLAIN
    }
    columns["note_faults"] = [[fault for fault, _ in clip.notes] for clip in analyses]
    columns["note_details"] = [[detail for _, detail in clip.notes] for clip in analyses]
    columns["prints"] = [clip.hashes for clip in analyses]
    columns["keys"] = [list(clip.attributes) for clip in analyses]
    columns["values"] = [list(clip.attributes.values()) for clip in analyses]
    schema = _SCHEMA.with_metadata(_metadata(source))
    table = pa.table(columns, schema=schema)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with pa.OSFile(str(temporary), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
            writer.write_table(table)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def load_analyses(path: Path, source: str) -> list[ClipAnalysis] | None:
    """Return the cached analyses, or None if there are none, or they are damaged or outdated."""
    try:
        with pa.OSFile(str(path), "rb") as file:
            table = pa.ipc.open_file(file).read_all()
        table.validate(full=True)
    except (OSError, ValueError, pa.ArrowException):
        return None
    expected = {key.encode(): value.encode() for key, value in _metadata(source).items()}
    if table.schema.metadata != expected or not table.schema.equals(_SCHEMA):
        return None
    hashes = table.column("prints")
    no_samples = np.zeros(0, np.int16)
    return [
        ClipAnalysis(
            **{name: row[name] for name in _PLAIN},
            notes=tuple(zip(row["note_faults"], row["note_details"], strict=True)),
            hashes=numbers(hashes[i].values, np.uint32),
            samples=no_samples,
            attributes=dict(zip(row["keys"], row["values"], strict=True)),
        )
        for i, row in enumerate(table.drop_columns(["prints"]).to_pylist())
    ]


def _metadata(source: str) -> dict[str, str]:
    """Return the file's metadata; other decoder versions may give other samples, so they count."""
    return {"genretune.heard": VERSION, "source_digest": source, "decoders": decoder_versions()}


_PLAIN = (
    "name",
    "file",
    "label",
    "sha256",
    "length",
    "rate",
    "channels",
    "seconds",
    "fault",
    "detail",
)
"""Fields of ClipAnalysis that are columns of the same name."""

_SCHEMA = pa.schema(
    [
        *(pa.field(name, pa.string()) for name in ("name", "file", "label", "sha256")),
        *(pa.field(name, pa.int64()) for name in ("length", "rate", "channels")),
        pa.field("seconds", pa.float64()),
        *(pa.field(name, pa.string()) for name in ("fault", "detail")),
        *(pa.field(n, pa.list_(pa.string())) for n in ("note_faults", "note_details")),
        pa.field("prints", pa.large_list(pa.uint32())),
        *(pa.field(name, pa.list_(pa.string())) for name in ("keys", "values")),
    ]
)
