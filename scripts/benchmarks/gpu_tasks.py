"""What the processes of the GPU benchmark measure; started by name, see ``gpu.py``."""

import functools
import os
import statistics
import sys
import tempfile
import threading
import time
import wave
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from genretune.scripts.benchmarks.gpu_step_times import StepTimes
from genretune.scripts.benchmarks.plain_loop import LENGTH, PlainLoop, Window, network, resnet18
from genretune.scripts.soaks.gpu.processes import Answer, Task, serve
from genretune.scripts.soaks.gpu.tones import RATE, Tones
from genretune.tune.reproducibility import determinism
from genretune.tune.reproducibility.gpu_memory import limit_gpu_memory
from genretune.tune.training.components import Components, build_components
from genretune.tune.training.epoch import run_epoch, train_epoch
from genretune.tune.training.resolve_config import trial_config

Request = Mapping[str, Any]

PLAIN = {"cnn": network, "resnet18": resnet18}
_POLL = 0.02  # s between two questions of how busy the GPU is


@dataclass(frozen=True)
class Corpus:
    """How much is trained on, in windows of 3 s that overlap by half.

    Attributes:
        clips: per class; ``validation`` of them are not trained on.
        seconds: of a clip.
    """

    classes: int
    clips: int
    validation: int
    seconds: float


CORPORA = {
    ("full", "short"): Corpus(classes=10, clips=21, validation=1, seconds=30.0),
    ("full", "gtzan"): Corpus(classes=10, clips=100, validation=20, seconds=30.0),
    ("tiny", "short"): Corpus(classes=2, clips=3, validation=1, seconds=3.0),
    ("tiny", "gtzan"): Corpus(classes=2, clips=3, validation=1, seconds=3.0),
}


def ours(request: Request) -> Iterator[Answer]:
    """Measure the training of a trial in each precision of ``keys``."""
    for key in request["keys"]:
        components = _components(request, precision=key)
        numbers = iter(range(1, sys.maxsize))
        epoch = functools.partial(_next_epoch, components, numbers)
        yield {"key": key, "measured": _rates(request, epoch, len(components.train))}


def plain(request: Request) -> Iterator[Answer]:
    """Measure the plain loop in each manner of ``keys``: ``plain``, ``bf16`` or ``workers``."""
    if request["device"] == "cpu":  # where figures mean nothing
        torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        windows = _files(request, Path(folder))
        classes = CORPORA[request["size"], "short"].classes
        for key in request["keys"]:
            loop = PlainLoop(
                windows,
                classes=classes,
                model=PLAIN[request["model"]](classes),
                device=request["device"],
                workers=min(8, os.cpu_count() or 1) if key == "workers" else 0,
                bf16=key == "bf16",
                read=_read_wave,
            )
            yield {"key": key, "measured": _rates(request, loop.epoch, len(windows))}


def steps(request: Request) -> Iterator[Answer]:
    """Measure the stages of a step in each precision of ``keys``."""
    for key in request["keys"]:
        components = _components(request, precision=key)
        train_epoch(components, 1)
        times = StepTimes(components.device)
        began = time.perf_counter()
        with times.noting(components):
            train_epoch(components, 2)
        passed = time.perf_counter() - began
        batches = -(-len(components.train) // components.config.batch_size)
        measured = times.milliseconds() | {"epoch per step": 1000.0 * passed / batches}
        yield {"key": key, "measured": {name: round(ms, 3) for name, ms in measured.items()}}


def beside(request: Request) -> Iterator[Answer]:
    """Train for ``seconds`` beside others, from when standard input ends."""
    if torch.cuda.is_available():
        limit_gpu_memory(request["share"])
    (key,) = request["keys"]
    components = _components(request, precision="bf16")
    train_epoch(components, 1)
    yield {"key": "ready"}
    sys.stdin.read()
    began, windows, number = time.perf_counter(), 0, 2
    with _busy(request["device"]) as busy:
        while (passed := time.perf_counter() - began) < request["seconds"] or not windows:
            train_epoch(components, number)
            windows, number = windows + len(components.train), number + 1
        passed = time.perf_counter() - began
    yield {"key": key, "windows_per_second": windows / passed, "utilisation": busy()}


def gtzan(request: Request) -> Iterator[Answer]:
    """Measure an epoch of a corpus as large as GTZAN, with its evaluation."""
    for key in request["keys"]:
        components = _components(request, precision=key, corpus="gtzan")
        first = run_epoch(components, 1)["seconds"]
        with _busy(request["device"]) as busy:
            second = run_epoch(components, 2)["seconds"]
        windows = len(components.train) + len(components.validation)
        yield {
            "key": key,
            "measured": {
                "seconds": round(second, 3),
                "first epoch": round(first, 3),
                "windows": windows,
                "utilisation": busy(),
            },
        }


def _next_epoch(components: Components, numbers: Iterator[int]) -> None:
    train_epoch(components, next(numbers))


def _components(request: Request, *, precision: str, corpus: str = "short") -> Components:
    """Return the components of a trial of the network ``model`` at the paper's size."""
    tones = _tones(request["size"], corpus)
    split = {"name": "file", "folds": 1, "members": tones.members}
    config = trial_config(
        {
            "seed": 1,
            "device": request["device"],
            "precision": precision,
            "micro_batch_size": "auto",
            "eval_batch_size": "auto",
            "optimizer": {"name": "Adam", "weight_decay": 1e-4},
            "model": {"name": request["model"]},
            "data": {"samples": tones.samples_digest, "split": split},
        }
    )
    determinism.apply(config.determinism, threads=config.threads, precision=config.precision)
    return build_components(config, tones)


@functools.cache
def _tones(size: str, corpus: str) -> Tones:
    chosen = CORPORA[size, corpus]
    return Tones(
        classes=chosen.classes,
        clips=chosen.clips,
        length=round(chosen.seconds * RATE),
        validation=chosen.validation,
    )


def _rates(request: Request, epoch: Callable[[], object], windows: int) -> dict[str, Any]:
    """Return the rate of an epoch, median of ``rounds`` after one to warm up."""
    epoch()
    if request["device"] == "cuda":
        torch.cuda.reset_peak_memory_stats()
    seconds = []
    with _busy(request["device"]) as busy:
        for _ in range(request["rounds"]):
            began = time.perf_counter()
            epoch()
            if request["device"] == "cuda":
                torch.cuda.synchronize()
            seconds.append(time.perf_counter() - began)
    return {
        "windows_per_second": round(windows / statistics.median(seconds), 2),
        "slowest": round(windows / max(seconds), 2),
        "utilisation": busy(),
        "GPU_MB": _peak(request["device"]),
    }


def _peak(device: str) -> int | None:
    return torch.cuda.max_memory_reserved() // 2**20 if device == "cuda" else None


@contextmanager
def _busy(device: str) -> Iterator[Callable[[], float | None]]:
    """Ask NVML during a ``with`` block how busy the GPU is; yield what returns the mean, in %."""
    seen: list[float] = []
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(_POLL):
            try:
                seen.append(torch.cuda.utilization())
            except Exception:  # no NVML, or not for this kind of device: the mean is unknown
                return

    watcher = threading.Thread(target=watch, daemon=True)
    if device == "cuda":
        watcher.start()
    try:
        yield lambda: round(statistics.fmean(seen), 1) if seen else None
    finally:
        ended.set()
        if device == "cuda":
            watcher.join()


def _files(request: Request, folder: Path) -> list[Window]:
    """Write the clips that are trained on as WAV files; return their windows."""
    tones = _tones(request["size"], "short")
    windows: list[Window] = []
    for clip, name in enumerate(tones.names):
        if tones.members[name] != "train":
            continue
        path = folder / f"{clip}.wav"
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes(tones.samples(clip).astype("<i2").tobytes())
        starts = range(0, max(1, tones.lengths[clip] - LENGTH // 2), LENGTH // 2)
        windows += [(path, start, tones.labels[clip]) for start in starts]
    return windows


def _read_wave(path: Path, start: int) -> torch.Tensor:
    with wave.open(str(path), "rb") as file:
        file.setpos(start)
        samples = np.frombuffer(file.readframes(LENGTH), dtype="<i2")
    return torch.from_numpy(samples.astype(np.float32) / 32768.0)


TASKS: dict[str, Task] = {
    "ours": ours,
    "plain": plain,
    "steps": steps,
    "beside": beside,
    "gtzan": gtzan,
}

if __name__ == "__main__":
    serve(TASKS)
