"""Scanning a corpus: its contents, faulty clips and duplicates."""

import os
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NotRequired, TypedDict

import soundfile

from genretune.data.clip_analysis import (
    AnalysisCollector,
    ClipAnalysis,
    Progress,
    analyses_path,
    analyze_clips,
    load_analyses,
    save_analyses,
)
from genretune.data.corpus import Corpus, list_corpus
from genretune.data.duplicates.detection import Duplicates, find_duplicates
from genretune.data.duplicates.near_duplicate_hash import frames_per_second
from genretune.data.fingerprint import source_digest
from genretune.data.headers import unreadable_reason
from genretune.data.store import cache_folder

TYPICAL_TOLERANCE = 0.05
"""A corpus has a usual length if more than half of its clips are this close to the median."""

WRONG_LENGTH_TOLERANCE = 0.10
"""Share of the usual length by which a clip may differ before its length counts as wrong."""


class DuplicateEntry(TypedDict):
    """A group of exact duplicates, or a pair of near duplicates, as a scan reports it.

    Files are in the order of canonical names; ``second_starts_after`` is in seconds.
    """

    kind: str
    files: list[str]
    labels: list[str]
    across_classes: bool
    similarity: NotRequired[float]
    second_starts_after: NotRequired[float]


@dataclass(frozen=True)
class Finding:
    """One fault of one file."""

    file: str
    fault: str
    detail: str


@dataclass(frozen=True)
class ScanReport:
    """Counts, hours, faults and duplicates of a corpus.

    Attributes:
        labels: clips by class.
        fingerprint: source digest of the files; empty if only headers were read.
        sample_rates, channels: clips by value, of the files that can be read.
        seconds: shortest, median and longest length.
    """

    clips: int
    labels: dict[str, int]
    hours: float
    fingerprint: str
    sample_rates: dict[str, int]
    channels: dict[str, int]
    seconds: dict[str, float]
    faults: tuple[Finding, ...] = ()
    duplicates: tuple[DuplicateEntry, ...] = ()
    notes: tuple[str, ...] = field(default=())

    def as_json(self) -> dict[str, object]:
        """Return the report as ``data scan --json`` prints it."""
        return {
            "clips": self.clips,
            "labels": self.labels,
            "hours": self.hours,
            "fingerprint": self.fingerprint,
            "sample_rates": self.sample_rates,
            "channels": self.channels,
            "seconds": self.seconds,
            "faults": [{"file": f.file, "fault": f.fault, "detail": f.detail} for f in self.faults],
            "duplicates": list(self.duplicates),
            "notes": list(self.notes),
        }


def scan_corpus(
    path: Path,
    *,
    sample_rate: int = 22050,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> ScanReport:
    """Analyse every clip, or read the cached analyses of the same files.

    Raises:
        DataError: there is no corpus at ``path``.
    """
    corpus = list_corpus(path)
    folder = cache_folder(cache)
    source = source_digest(corpus, folder)
    cached = analyses_path(folder, source, sample_rate)
    analyses = load_analyses(cached, source)
    if analyses is None:
        collector = AnalysisCollector()
        for _ in collector.collect(analyze_clips(corpus, sample_rate, progress)):
            pass
        analyses = collector.analyses
        save_analyses(cached, analyses, source)
    return build_report(analyses, source, sample_rate, corpus.notes)


def read_headers(path: Path) -> ScanReport:
    """Report counts, rates and lengths from headers alone.

    Nothing is decoded; there is no fingerprint, and only faults that a header shows are reported.

    Raises:
        DataError: there is no corpus at ``path``.
    """
    corpus = list_corpus(path)
    headers, faults = [], []
    for clip in corpus.clips:
        try:
            if reason := unreadable_reason(clip.path):
                raise OSError(reason)
            info = soundfile.info(os.fsencode(clip.path))
            headers.append((info.samplerate, info.channels, info.frames / max(1, info.samplerate)))
        except (soundfile.SoundFileError, OSError, ValueError, RuntimeError) as error:
            detail = str(getattr(error, "error_string", "") or error)
            faults.append(Finding(clip.file, "not audio", detail))
    return _header_report(corpus, headers, tuple(faults))


def _header_report(
    corpus: Corpus, headers: Sequence[tuple[int, int, float]], faults: tuple[Finding, ...]
) -> ScanReport:
    """Build the report of (rate, channels, seconds) of each readable clip."""
    return ScanReport(
        clips=len(corpus.clips),
        labels=dict(sorted(Counter(clip.label for clip in corpus.clips).items())),
        hours=sum(seconds for _, _, seconds in headers) / 3600,
        fingerprint="",
        sample_rates=_counts(rate for rate, _, _ in headers),
        channels=_counts(channels for _, channels, _ in headers),
        seconds=_spread([seconds for _, _, seconds in headers]),
        faults=faults,
        notes=corpus.notes,
    )


def build_report(
    analyses: Sequence[ClipAnalysis], source: str, sample_rate: int, notes: Sequence[str] = ()
) -> ScanReport:
    """Build the report of analysed clips."""
    faults = [Finding(clip.file, clip.fault, clip.detail) for clip in analyses if clip.fault]
    faults += [Finding(clip.file, *note) for clip in analyses for note in clip.notes]
    faults += wrong_lengths(analyses)
    readable = [clip for clip in analyses if clip.rate]
    return ScanReport(
        clips=len(analyses),
        labels=dict(sorted(Counter(clip.label for clip in analyses).items())),
        hours=sum(clip.seconds for clip in analyses) / 3600,
        fingerprint=source,
        sample_rates=_counts(clip.rate for clip in readable),
        channels=_counts(clip.channels for clip in readable),
        seconds=_spread([clip.seconds for clip in readable]),
        faults=tuple(sorted(faults, key=lambda f: (f.file, f.fault))),
        duplicates=tuple(_entries(find_in_analyses(analyses), analyses, sample_rate)),
        notes=(*notes, *_length_notes(analyses)),
    )


def find_in_analyses(analyses: Sequence[ClipAnalysis]) -> Duplicates:
    """Return the duplicates among the usable clips."""
    usable = [clip for clip in analyses if clip.fault is None]
    return find_duplicates(
        [clip.name for clip in usable],
        [clip.sha256 for clip in usable],
        [clip.hashes for clip in usable],
    )


def wrong_lengths(analyses: Sequence[ClipAnalysis]) -> list[Finding]:
    """Return the clips far from the corpus' usual length; none if it has no usual length."""
    usable = [clip for clip in analyses if clip.fault is None]
    if len(usable) < 3:
        return []
    usual = statistics.median(clip.seconds for clip in usable)
    typical = sum(abs(clip.seconds - usual) <= TYPICAL_TOLERANCE * usual for clip in usable)
    if typical * 2 <= len(usable):
        return []
    return [
        Finding(clip.file, "wrong length", f"{clip.seconds:.2f} s where {usual:.2f} s is usual")
        for clip in usable
        if abs(clip.seconds - usual) > WRONG_LENGTH_TOLERANCE * usual
    ]


def _entries(
    duplicates: Duplicates, analyses: Sequence[ClipAnalysis], sample_rate: int
) -> list[DuplicateEntry]:
    by_name = {clip.name: clip for clip in analyses}
    entries = [_entry("exact", [by_name[name] for name in group]) for group in duplicates.exact]
    for pair in duplicates.near:
        entry = _entry("near", [by_name[pair.first], by_name[pair.second]])
        entry["similarity"] = round(pair.similarity, 4)
        entry["second_starts_after"] = round(pair.offset / frames_per_second(sample_rate), 2)
        entries.append(entry)
    return entries


def _entry(kind: str, clips: Sequence[ClipAnalysis]) -> DuplicateEntry:
    labels = [clip.label for clip in clips]
    return {
        "kind": kind,
        "files": [clip.file for clip in clips],
        "labels": labels,
        "across_classes": len(set(labels)) > 1,
    }


def _length_notes(analyses: Sequence[ClipAnalysis]) -> list[str]:
    longer = sum(clip.seconds > 33.0 for clip in analyses)
    if not longer:
        return []
    return [
        f"{longer} clips are longer than 33 s: windows are taken from the first 30 s "
        "(data.window.clip_seconds: null takes them from the whole clip)"
    ]


def _counts(values: Iterable[int]) -> dict[str, int]:
    count = Counter(values)
    return {str(value): count[value] for value in sorted(count)}


def _spread(seconds: Sequence[float]) -> dict[str, float]:
    """Return the shortest, median and longest length; empty without clips."""
    if not seconds:
        return {}
    return {
        "shortest": round(min(seconds), 3),
        "median": round(statistics.median(seconds), 3),
        "longest": round(max(seconds), 3),
    }
