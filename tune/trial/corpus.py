"""The samples that a command works on: given by folder, or found again by digest."""

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
    """Open a corpus, packed at first use.

    Args:
        folder: the corpus; None finds the pack with the digest ``samples`` in the cache.
        samples: the digest that it must have, if any.
        source: the digest of the files that the record was made from, if known; tells other files
            from another decoder.
        progress: told how many clips are packed, where there is no pack yet.

    Raises:
        DataError: the folder is no corpus.
        SamplesChanged: it has other samples than the record says.
        TuneError: neither a folder was given nor a pack found.
    """
    if folder is not None:
        store = open_corpus(folder, sample_rate=sample_rate, progress=progress)
        if samples is not None:
            require_samples(store, samples, source)
        return store
    found = None if samples is None else find_store(samples)
    if found is None:
        raise TuneError(
            "--data: must name the corpus, got nothing and no pack of it in the cache (--data DIR)"
        )
    return found
