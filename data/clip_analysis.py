"""Listening to a corpus once: decode every clip, keep what was heard, remember it.

What was heard (faults, notes, digests of samples, sound prints; no samples) is kept in one Arrow
file in the cache folder, under the corpus' source digest, so that scans, duplicate checks and the
leakage gate need not listen again.
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
from genretune.data.near_duplicate_hash import near_duplicate_hash
from genretune.data.suppress_stderr import suppress_stderr
from genretune.data.versions import decoders

VERSION = "1"
Progress = Callable[[int, int], None]
"""Called with (clips done, clips in all)."""


@dataclass(frozen=True)
class ClipAnalysis:
    """What listening to one clip gave; `samples` (int16 mono [T]) is empty when remembered."""

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
    prints: NDArray[np.uint32]
    samples: NDArray[np.int16]
    attributes: dict[str, str]


def analyze_clip(clip: Clip, sample_rate: int) -> ClipAnalysis:
    """Decode one clip; never raises for what is in it."""
    got = decode(clip.path, sample_rate)
    return ClipAnalysis(
        name=clip.name,
        file=clip.file,
        label=clip.label,
        sha256=samples_sha256(got.samples),
        length=int(got.samples.shape[0]),
        rate=got.rate,
        channels=got.channels,
        seconds=got.seconds,
        fault=got.fault,
        detail=got.detail,
        notes=got.notes,
        prints=near_duplicate_hash(got.samples, sample_rate),
        samples=got.samples,
        attributes=clip.attributes,
    )


def analyze_clips(
    corpus: Corpus, sample_rate: int, progress: Progress | None = None
) -> Iterator[ClipAnalysis]:
    """All clips in order, on as many threads as there are cores, few of them in memory at once."""
    threads = min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2)
    chatty = any(clip.file.lower().endswith(".mp3") for clip in corpus.clips)
    # what Python writes to standard error meanwhile is lost, so only where it must be
    with suppress_stderr() if chatty else nullcontext(), ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[ClipAnalysis]] = deque()
        clips = iter(corpus.clips)
        for done in range(len(corpus.clips)):
            for clip in clips:
                waiting.append(pool.submit(analyze_clip, clip, sample_rate))
                if len(waiting) > threads:
                    break
            yield waiting.popleft().result()
            if progress is not None:
                progress(done + 1, len(corpus.clips))


class Notebook:
    """Remembers what passes through `keep`, for `save`; samples are dropped."""

    def __init__(self) -> None:
        self.heard: list[ClipAnalysis] = []

    def keep(self, clips: Iterable[ClipAnalysis]) -> Iterator[ClipAnalysis]:
        for clip in clips:
            self.heard.append(replace(clip, samples=clip.samples[:0].copy()))
            yield clip


def analyses_path(cache: Path, source: str, sample_rate: int) -> Path:
    """Where what was heard of a corpus is kept."""
    return cache / f"heard-{source[:24]}-{sample_rate}.arrow"


def save_analyses(path: Path, heard: Sequence[ClipAnalysis], source: str) -> None:
    """Write beside and rename."""
    columns: dict[str, list[object]] = {
        name: [getattr(clip, name) for clip in heard] for name in _PLAIN
    }
    columns["note_faults"] = [[fault for fault, _ in clip.notes] for clip in heard]
    columns["note_details"] = [[detail for _, detail in clip.notes] for clip in heard]
    columns["prints"] = [clip.prints for clip in heard]
    columns["keys"] = [list(clip.attributes) for clip in heard]
    columns["values"] = [list(clip.attributes.values()) for clip in heard]
    schema = _SCHEMA.with_metadata(_meta(source))
    table = pa.table(columns, schema=schema)
    beside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with pa.OSFile(str(beside), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
            writer.write_table(table)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def load_analyses(path: Path, source: str) -> list[ClipAnalysis] | None:
    """What was heard, or None when it was not or cannot be read."""
    try:
        with pa.OSFile(str(path), "rb") as file:
            table = pa.ipc.open_file(file).read_all()
        table.validate(full=True)
    except (OSError, ValueError, pa.ArrowException):
        return None
    wanted = {key.encode(): value.encode() for key, value in _meta(source).items()}
    if table.schema.metadata != wanted or not table.schema.equals(_SCHEMA):
        return None
    prints = table.column("prints")
    silence = np.zeros(0, np.int16)
    return [
        ClipAnalysis(
            **{name: row[name] for name in _PLAIN},
            notes=tuple(zip(row["note_faults"], row["note_details"], strict=True)),
            prints=numbers(prints[i].values, np.uint32),
            samples=silence,
            attributes=dict(zip(row["keys"], row["values"], strict=True)),
        )
        for i, row in enumerate(table.drop_columns(["prints"]).to_pylist())
    ]


def _meta(source: str) -> dict[str, str]:
    """Other decoders hear other samples, so theirs is another listening."""
    return {"genretune.heard": VERSION, "source_digest": source, "decoders": decoders()}


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
