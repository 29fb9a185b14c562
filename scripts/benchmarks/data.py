"""Benchmark of packing, opening, gathering and scanning, against a plain read of each window.

The plain side does what a data set class usually does: ``soundfile.read`` of each window from its
file, with the tail padded, in the same order. Both sides are measured alternately, and the best of
several rounds counts. Times are wall times; names with ``per_core`` are CPU time of the process.
"""

import argparse
import json
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import torch

from genretune.data.batches import epoch_order, gather
from genretune.data.corpus import list_corpus
from genretune.data.scan import read_headers, scan_corpus
from genretune.data.specs import WindowSpec
from genretune.data.store import Store, open_corpus
from genretune.data.synthetic.synth import write_corpus
from genretune.data.windows import WindowSet, spec_starts, window_length

BATCH = 64

OPEN = """
import json, re, sys, time
from pathlib import Path
from genretune.data.store import find_store
def private():
    text = Path("/proc/self/smaps_rollup").read_text()
    return sum(map(int, re.findall(r"Private_\\w+:\\s+(\\d+)", text))) / 1024
before, at = private(), time.perf_counter()
store = find_store(sys.argv[1], Path(sys.argv[2]))
ms = (time.perf_counter() - at) * 1000
print(json.dumps([ms, private(), private() - before]))
"""


@dataclass(frozen=True)
class Bench:
    """A corpus on disk, its cache folder and the number of rounds."""

    corpus: Path
    cache: Path
    rounds: int

    def fresh(self) -> Path:
        """Return a new, empty cache folder."""
        return Path(tempfile.mkdtemp(dir=self.cache))


def run(corpus: Path | None, *, clips: int, seconds: float, rounds: int) -> dict[str, object]:
    """Return all figures of a corpus, or of a synthetic one with ``clips`` clips per class."""
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder) / "cache"
        cache.mkdir()
        if corpus is None:
            corpus = Path(folder) / "corpus"
            write_corpus(corpus, clips=clips, seconds=seconds)
        return _measure(Bench(corpus, cache, rounds))


def _measure(bench: Bench) -> dict[str, object]:
    headers = _best(lambda: read_headers(bench.corpus), bench.rounds)
    scan = _best(lambda: scan_corpus(bench.corpus, cache=bench.fresh()), bench.rounds)
    pack = _best(lambda: open_corpus(bench.corpus, cache=bench.fresh()), bench.rounds)
    folder = bench.fresh()
    store = open_corpus(bench.corpus, cache=folder)
    again = _best(lambda: open_corpus(bench.corpus, cache=folder), bench.rounds)
    windows = _windows(store)
    plain, ours = _gathering(bench, store, windows)
    opened = _opened(store, folder)
    audio = sum(store.lengths) / store.sample_rate
    per_window = len(windows) / 1000
    return {
        "name": "data",
        "ratios": {
            "gather": round(plain / ours, 2),
            "scan_times_real_time_per_core": round(audio / scan[1], 1),
            "scan_times_real_time": round(audio / scan[0], 1),
            "pack_in_plain_epochs": round(pack[0] / plain, 2),
        },
        "ours": {
            "clips": len(store),
            "audio_seconds": round(audio, 1),
            "store_mb": round(store.path.stat().st_size / 2**20, 1),
            "headers_s_per_1000_clips": round(headers[0] / len(store) * 1000, 3),
            "scan_s": round(scan[0], 3),
            "pack_s": round(pack[0], 3),
            "find_by_files_s": round(again[0], 4),
            "open_ms": round(opened[0], 2),
            "private_mb_after_opening": round(opened[1], 1),
            "private_mb_by_opening": round(opened[2], 1),
            "gather_ms_per_window": round(ours / per_window, 4),
        },
        "plain": {"windows": len(windows), "gather_ms_per_window": round(plain / per_window, 4)},
    }


def _best(work: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Return the smallest wall seconds and the smallest CPU seconds of several rounds."""
    walls, cores = [], []
    for _ in range(rounds):
        wall, core = time.perf_counter(), time.process_time()
        work()
        walls.append(time.perf_counter() - wall)
        cores.append(time.process_time() - core)
    return min(walls), min(cores)


def _windows(store: Store) -> WindowSet:
    starts = [spec_starts(length, WindowSpec(), store.sample_rate) for length in store.lengths]
    clip = np.repeat(np.arange(len(store), dtype=np.int64), [len(s) for s in starts])
    return WindowSet(clip, np.concatenate(starts))


def _gathering(bench: Bench, store: Store, windows: WindowSet) -> tuple[float, float]:
    """Return the seconds of one epoch, plain and ours, each the best of the rounds."""
    length = window_length(WindowSpec(), store.sample_rate)
    paths = [clip.path for clip in list_corpus(bench.corpus).clips]
    order = epoch_order(len(windows), 0)
    plain, ours = [], []
    for _ in range(bench.rounds):
        at = time.perf_counter()
        for rows in order.split(BATCH):
            _plain_batch(paths, windows, rows, length)
        plain.append(time.perf_counter() - at)
        at = time.perf_counter()
        for rows in order.split(BATCH):
            gather(store, windows, rows, length=length)
        ours.append(time.perf_counter() - at)
    _check(store, windows, paths, length)
    return min(plain), min(ours)


def _plain_batch(
    paths: list[Path], windows: WindowSet, rows: torch.Tensor, length: int
) -> torch.Tensor:
    batch = []
    for row in rows.tolist():
        start = int(windows.start[row])
        wave, _ = soundfile.read(
            paths[windows.clip[row]], frames=length, start=start, dtype="float32"
        )
        wave = wave if wave.ndim == 1 else wave.mean(axis=1)
        batch.append(torch.from_numpy(np.pad(wave, (0, length - wave.shape[0]), mode="edge")))
    return torch.stack(batch).unsqueeze(1)


def _check(store: Store, windows: WindowSet, paths: list[Path], length: int) -> None:
    """Compare samples of both sides, if the files are mono and at the store's rate.

    Raises:
        SystemExit: they differ.
    """
    info = soundfile.info(paths[0])
    if (info.samplerate, info.channels) != (store.sample_rate, 1):
        return
    rows = torch.tensor(random.Random(0).sample(range(len(windows)), min(8, len(windows))))
    if not torch.equal(
        _plain_batch(paths, windows, rows, length), gather(store, windows, rows, length=length)
    ):
        raise SystemExit("bench data: the plain read and the store disagree")


def _opened(store: Store, cache: Path) -> tuple[float, float, float]:
    """Open the store in a new process; return ms, private MiB afterwards, and MiB added by it."""
    command = [sys.executable, "-c", OPEN, store.samples_digest, str(cache)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    ms, after, added = json.loads(re.sub(r"\s+", " ", done.stdout))
    return float(ms), float(after), float(added)


def main(argv: list[str]) -> None:
    """Print the figures as lines, or with ``--json`` as one object."""
    parser = argparse.ArgumentParser(prog="bench data", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--data", type=Path, help="a corpus of WAV files (default: synthetic)")
    parser.add_argument(
        "--clips", type=int, default=10, help="clips per class of the synthetic corpus"
    )
    parser.add_argument("--seconds", type=float, default=30.0, help="length of a synthetic clip")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(argv)
    facts = run(options.data, clips=options.clips, seconds=options.seconds, rounds=options.rounds)
    if options.json:
        print(json.dumps(facts, indent=2))
        return
    for side in ("ratios", "ours", "plain"):
        values = facts[side]
        for name, value in values.items() if isinstance(values, dict) else ():
            print(f"{side:7} {name:30} {value}")
