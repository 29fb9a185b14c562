"""Duplicates within a store, found once and remembered beside it."""

import json
import os
from dataclasses import astuple
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from genretune.data.arrow_file import Store
from genretune.data.clip_analysis import analyses_path, load_analyses
from genretune.data.duplicates import Duplicates, Near, find_duplicates
from genretune.data.near_duplicate_hash import near_duplicate_hash

VERSION = 1


def store_duplicates(store: Store) -> Duplicates:
    """Duplicates among the clips that can be used; a function of the samples alone."""
    remembered = store.path.parent / f"duplicates-{store.samples_digest[:24]}.json"
    found = _load(remembered, store.samples_digest)
    if found is None:
        found = _find(store)
        _save(remembered, found, store.samples_digest)
    return found


def _find(store: Store) -> Duplicates:
    fit = [i for i, fault in enumerate(store.faults) if fault is None]
    prints = _prints(store)
    return find_duplicates(
        [store.names[i] for i in fit],
        [store.sha256[i] for i in fit],
        [prints[i] for i in fit],
    )


def _prints(store: Store) -> list[NDArray[np.uint32]]:
    """Sound prints in the store's order: what was heard when it was packed, or made anew."""
    path = analyses_path(store.path.parent, store.source_digest, store.sample_rate)
    known = {clip.name: clip for clip in load_analyses(path, store.source_digest) or []}
    if all(
        n in known and known[n].sha256 == d for n, d in zip(store.names, store.sha256, strict=True)
    ):
        return [known[name].prints for name in store.names]
    return [near_duplicate_hash(store.samples(i), store.sample_rate) for i in range(len(store))]


def _load(path: Path, samples: str) -> Duplicates | None:
    try:
        known = json.loads(path.read_text())
        if known["version"] != VERSION or known["samples_digest"] != samples:
            return None
        exact = tuple(tuple(group) for group in known["exact"])
        return Duplicates(exact, tuple(Near(*pair) for pair in known["near"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _save(path: Path, found: Duplicates, samples: str) -> None:
    """Write beside and rename; a folder that cannot be written costs only the memory."""
    facts = {
        "version": VERSION,
        "samples_digest": samples,
        "exact": found.exact,
        "near": [astuple(pair) for pair in found.near],
    }
    beside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        beside.write_text(json.dumps(facts))
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
