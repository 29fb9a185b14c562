"""What is in a corpus, what is broken, what is there twice."""

import os
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import soundfile

from genretune.data.clip_analysis import (
    ClipAnalysis,
    Notebook,
    Progress,
    analyses_path,
    analyze_clips,
    load_analyses,
    save_analyses,
)
from genretune.data.corpus import Corpus, list_corpus
from genretune.data.duplicates import Duplicates, find_duplicates
from genretune.data.fingerprint import source_digest
from genretune.data.headers import is_regular
from genretune.data.near_duplicate_hash import frames_a_second
from genretune.data.store import cache_folder

USUAL = 0.05
"""Most clips of a corpus must be this close to the median for it to have a usual length."""

UNUSUAL = 0.10
"""A clip further than this from the usual length has the wrong length."""


@dataclass(frozen=True)
class Finding:
    """One fault of one file."""

    file: str
    fault: str
    detail: str


@dataclass(frozen=True)
class ScanReport:
    """Counts, hours, faults and duplicates of a corpus."""

    clips: int
    labels: dict[str, int]
    hours: float
    fingerprint: str
    sample_rates: dict[str, int]
    channels: dict[str, int]
    seconds: dict[str, float]
    faults: tuple[Finding, ...] = ()
    duplicates: tuple[dict[str, object], ...] = ()
    notes: tuple[str, ...] = field(default=())

    def as_json(self) -> dict[str, object]:
        """Facts for scripts."""
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
    """Listen to every clip, or remember it when the same files were listened to before.

    Errors: DataError when there is no corpus.
    """
    corpus = list_corpus(path)
    folder = cache_folder(cache)
    source = source_digest(corpus, folder)
    remembered = analyses_path(folder, source, sample_rate)
    heard = load_analyses(remembered, source)
    if heard is None:
        notebook = Notebook()
        for _ in notebook.keep(analyze_clips(corpus, sample_rate, progress)):
            pass
        heard = notebook.heard
        save_analyses(remembered, heard, source)
    return report(heard, source, sample_rate, corpus.notes)


def read_headers(path: Path) -> ScanReport:
    """Counts, rates and lengths from headers alone: no listening, no fingerprint, and only the
    faults that a header shows. Errors: DataError when there is no corpus."""
    corpus = list_corpus(path)
    found, faults = [], []
    for clip in corpus.clips:
        try:
            odd = is_regular(clip.path)
            if odd:
                raise OSError(odd)
            info = soundfile.info(os.fsencode(clip.path))
            found.append((info.samplerate, info.channels, info.frames / max(1, info.samplerate)))
        except (soundfile.SoundFileError, OSError, ValueError, RuntimeError) as error:
            reason = str(getattr(error, "error_string", "") or error)
            faults.append(Finding(clip.file, "not audio", reason))
    return _summary(corpus, found, tuple(faults))


def _summary(
    corpus: Corpus, found: Sequence[tuple[int, int, float]], faults: tuple[Finding, ...]
) -> ScanReport:
    return ScanReport(
        clips=len(corpus.clips),
        labels=dict(sorted(Counter(clip.label for clip in corpus.clips).items())),
        hours=sum(seconds for _, _, seconds in found) / 3600,
        fingerprint="",
        sample_rates=_counts(rate for rate, _, _ in found),
        channels=_counts(channels for _, channels, _ in found),
        seconds=_spread([seconds for _, _, seconds in found]),
        faults=faults,
        notes=corpus.notes,
    )


def report(
    heard: Sequence[ClipAnalysis], source: str, sample_rate: int, notes: Sequence[str] = ()
) -> ScanReport:
    """The report of what was heard."""
    faults = [Finding(clip.file, clip.fault, clip.detail) for clip in heard if clip.fault]
    faults += [Finding(clip.file, *note) for clip in heard for note in clip.notes]
    faults += wrong_lengths(heard)
    readable = [clip for clip in heard if clip.rate]
    return ScanReport(
        clips=len(heard),
        labels=dict(sorted(Counter(clip.label for clip in heard).items())),
        hours=sum(clip.seconds for clip in heard) / 3600,
        fingerprint=source,
        sample_rates=_counts(clip.rate for clip in readable),
        channels=_counts(clip.channels for clip in readable),
        seconds=_spread([clip.seconds for clip in readable]),
        faults=tuple(sorted(faults, key=lambda f: (f.file, f.fault))),
        duplicates=tuple(_as_json(duplicates_of(heard), heard, sample_rate)),
        notes=(*notes, *_length_notes(heard)),
    )


def duplicates_of(heard: Sequence[ClipAnalysis]) -> Duplicates:
    """Duplicates among the clips that can be used."""
    fit = [clip for clip in heard if clip.fault is None]
    return find_duplicates(
        [clip.name for clip in fit], [clip.sha256 for clip in fit], [clip.prints for clip in fit]
    )


def wrong_lengths(heard: Sequence[ClipAnalysis]) -> list[Finding]:
    """Clips far from the corpus' usual length; none when its clips have no usual length."""
    fit = [clip for clip in heard if clip.fault is None]
    if len(fit) < 3:
        return []
    usual = statistics.median(clip.seconds for clip in fit)
    near = sum(abs(clip.seconds - usual) <= USUAL * usual for clip in fit)
    if near * 2 <= len(fit):
        return []
    return [
        Finding(clip.file, "wrong length", f"{clip.seconds:.2f} s where {usual:.2f} s is usual")
        for clip in fit
        if abs(clip.seconds - usual) > UNUSUAL * usual
    ]


def _as_json(
    found: Duplicates, heard: Sequence[ClipAnalysis], sample_rate: int
) -> list[dict[str, object]]:
    """One entry for each group of equals, one for each near pair; files in order of names."""
    by_name = {clip.name: clip for clip in heard}
    entries: list[dict[str, object]] = []
    for group in found.exact:
        entries.append({"kind": "exact", **_who([by_name[name] for name in group])})
    for pair in found.near:
        entries.append(
            {
                "kind": "near",
                **_who([by_name[pair.first], by_name[pair.second]]),
                "similarity": round(pair.similarity, 4),
                "second_starts_after": round(pair.later / frames_a_second(sample_rate), 2),
            }
        )
    return entries


def _who(clips: Sequence[ClipAnalysis]) -> dict[str, object]:
    labels = [clip.label for clip in clips]
    return {
        "files": [clip.file for clip in clips],
        "labels": labels,
        "across_classes": len(set(labels)) > 1,
    }


def _length_notes(heard: Sequence[ClipAnalysis]) -> list[str]:
    longer = sum(clip.seconds > 33.0 for clip in heard)
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
    if not seconds:
        return {}
    return {
        "shortest": round(min(seconds), 3),
        "median": round(statistics.median(seconds), 3),
        "longest": round(max(seconds), 3),
    }
