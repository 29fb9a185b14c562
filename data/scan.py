"""What is in a corpus and what is broken."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from genretune.data.store import open_corpus


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
    faults: tuple[Finding, ...]
    duplicates: tuple[dict[str, object], ...] = ()

    def as_json(self) -> dict[str, object]:
        """Facts for scripts."""
        return {
            "clips": self.clips,
            "labels": self.labels,
            "hours": self.hours,
            "fingerprint": self.fingerprint,
            "faults": [{"file": f.file, "fault": f.fault, "detail": f.detail} for f in self.faults],
            "duplicates": list(self.duplicates),
        }


def scan_corpus(path: Path, *, sample_rate: int = 22050, cache: Path | None = None) -> ScanReport:
    """Listen to every clip. Errors: DataError when there is no corpus."""
    store = open_corpus(path, sample_rate=sample_rate, cache=cache)
    faults = [
        Finding(file, fault, detail)
        for file, fault, detail in zip(store.files, store.faults, store.details, strict=True)
        if fault
    ]
    return ScanReport(
        clips=len(store),
        labels=dict(sorted(Counter(store.class_names()).items())),
        hours=sum(store.lengths) / store.sample_rate / 3600,
        fingerprint=store.source_digest,
        faults=tuple(faults),
    )
