"""The corpus of a command: opened from a folder, or found in the cache by its digest."""

from pathlib import Path

from genretune.data.clip_analysis import Progress
from genretune.data.exclude import resolve_exclusions
from genretune.data.store import Store, find_store, open_corpus, require_samples
from genretune.tune.errors import TuneError

__all__ = ["Progress", "Store", "open_data", "resolve_exclusions"]


def open_data(
    folder: Path | None,
    *,
    samples: str | None = None,
    source: str | None = None,
    sample_rate: int = 22050,
    progress: Progress | None = None,
) -> Store:
    """Open a corpus; pack it on first use.

    Args:
        folder: the corpus; None for the packed corpus with digest ``samples`` in the cache.
        samples: required digest of the samples, if any.
        source: digest of the audio files that the record was made from, if known; distinguishes
            changed files from a changed decoder in the message.
        sample_rate: in Hz.
        progress: called with the number of packed clips and their total while packing.

    Raises:
        DataError: the folder is not a corpus.
        SamplesChanged: the samples differ from those of the record.
        TuneError: no folder was given and no packed corpus found.
    """
    if folder is not None:
        store = open_corpus(folder, sample_rate=sample_rate, progress=progress)
        if samples is not None:
            require_samples(store, samples, source)
        return store
    cached = None if samples is None else find_store(samples)
    if cached is None:
        raise TuneError(
            "--data: must name the corpus, since it is not in the cache, got nothing (--data DIR)"
        )
    return cached
