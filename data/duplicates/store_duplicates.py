"""Duplicates within a store, found once and cached beside it."""

import json
from contextlib import suppress
from dataclasses import astuple
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from genretune.data.arrow_file import Store
from genretune.data.atomic_text import write_text_atomically
from genretune.data.clip_analysis import analyses_path, load_analyses
from genretune.data.duplicates.detection import Duplicates, NearDuplicate, find_duplicates
from genretune.data.duplicates.near_duplicate_hash import near_duplicate_hash

VERSION = 1


def store_duplicates(store: Store) -> Duplicates:
    """Return the duplicates among the usable clips, a function of the samples alone."""
    path = store.path.parent / f"duplicates-{store.samples_digest[:24]}.json"
    duplicates = _load(path, store.samples_digest)
    if duplicates is None:
        duplicates = _find(store)
        _save(path, duplicates, store.samples_digest)
    return duplicates


def _find(store: Store) -> Duplicates:
    usable = [i for i, fault in enumerate(store.faults) if fault is None]
    hashes = _hashes(store)
    return find_duplicates(
        [store.names[i] for i in usable],
        [store.sha256[i] for i in usable],
        [hashes[i] for i in usable],
    )


def _hashes(store: Store) -> list[NDArray[np.uint32]]:
    """Return the frame hashes in the store's order, cached at packing or computed again."""
    path = analyses_path(store.path.parent, store.source_digest, store.sample_rate)
    cached = {clip.name: clip for clip in load_analyses(path, store.source_digest) or []}
    # Compared by sample digests: a result must not depend on whether the cache is there.
    if all(
        name in cached and cached[name].sha256 == digest
        for name, digest in zip(store.names, store.sha256, strict=True)
    ):
        return [cached[name].hashes for name in store.names]
    return [near_duplicate_hash(store.samples(i), store.sample_rate) for i in range(len(store))]


def _load(path: Path, samples: str) -> Duplicates | None:
    try:
        facts = json.loads(path.read_text())
        if facts["version"] != VERSION or facts["samples_digest"] != samples:
            return None
        exact = tuple(tuple(group) for group in facts["exact"])
        return Duplicates(exact, tuple(NearDuplicate(*pair) for pair in facts["near"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _save(path: Path, duplicates: Duplicates, samples: str) -> None:
    """Cache the duplicates; a read-only folder only means that they are searched for again."""
    facts = {
        "version": VERSION,
        "samples_digest": samples,
        "exact": duplicates.exact,
        "near": [astuple(pair) for pair in duplicates.near],
    }
    with suppress(OSError):
        write_text_atomically(path, json.dumps(facts))
