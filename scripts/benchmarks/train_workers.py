"""Processes that one training benchmark starts, and what each of them measures.

A worker builds its side once, then measures at every line it is sent: the runs of all sides can
take turns, and two workers can run side by side.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from genretune.data.store import Store
from genretune.models.cost import model_cost
from genretune.scripts.benchmarks.plain_loop import PlainLoop
from genretune.scripts.benchmarks.train_share import spent
from genretune.tune.reproducibility import determinism
from genretune.tune.reproducibility.determinism_env import ENVIRONMENT, MEMORY
from genretune.tune.training.components import Components, build_components
from genretune.tune.training.epoch import train_epoch
from genretune.tune.training.train import train
from genretune.tune.trial.standalone import StandaloneTrial, prepare

MICRO_BATCH = 8
_FLOOR_SIZE = 2048

Measured = dict[str, float]
Measure = Callable[[], Measured]


class Worker:
    """A process that measures when asked.

    Args:
        role: ``plain``, ``trial``, ``share``, ``learn`` or ``floor``.
        argument: threads of a plain loop, else a precision.
        corpus: folder of the audio.
        steps: how many batches one measurement takes.
    """

    def __init__(self, role: str, argument: str, corpus: Path, steps: int) -> None:
        # what a user who writes a plain loop has: nothing but the threads is set
        environment = {**os.environ, "GENRETUNE_CACHE": str(corpus.parent / "cache")}
        for name, value in {**ENVIRONMENT["strict"], **MEMORY}.items():
            environment.pop(name, None)
            if role != "plain" and value is not None:
                environment[name] = value
        code = f"from {__name__} import serve; serve()"
        self._process = subprocess.Popen(
            [sys.executable, "-c", code, role, argument, str(corpus), str(steps)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )

    def begin(self) -> None:
        """Ask for a measurement; ``answer`` waits for it."""
        if self._process.stdin is not None:
            self._process.stdin.write("measure\n")
            self._process.stdin.flush()

    def answer(self) -> Measured:
        """The measurement that was begun."""
        line = "" if self._process.stdout is None else self._process.stdout.readline()
        if not line:
            raise RuntimeError(
                f"a worker ended with {self._process.wait()}: {self._process.args!r}"
            )
        answer: Measured = json.loads(line)
        return answer

    def end(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()


def together(workers: Sequence[Worker]) -> Measured:
    """One measurement of workers side by side: the sums of their rates."""
    for worker in workers:
        worker.begin()
    answers = [worker.answer() for worker in workers]
    return {name: sum(answer[name] for answer in answers) for name in answers[0]}


def serve() -> None:
    """The worker's end: build, then measure for every line on standard input."""
    role, argument, corpus, steps = sys.argv[1:]
    measure = _roles(role, argument, Path(corpus), int(steps))
    for _ in sys.stdin:
        print(json.dumps(measure()), flush=True)


def settings(precision: str) -> dict[str, Any]:
    """The reference's training, on the network of the paper at full size."""
    return {
        "seed": 1,
        "batch_size": 64,
        "micro_batch_size": MICRO_BATCH,
        "precision": precision,
        "device": "cpu",
        "optimizer": {"name": "Adam", "weight_decay": 1e-4},
        "data": {"split": {"folds": 2}},
    }


def shortened(parts: Components, steps: int) -> Components:
    """The same trial with so many batches an epoch, of all clips in turn."""
    side = parts.train
    count = min(len(side), steps * parts.config.batch_size)
    rows = torch.linspace(0, len(side) - 1, count).long()
    kept = rows.numpy()
    windows = replace(side.windows, clip=side.windows.clip[kept], start=side.windows.start[kept])
    side = replace(side, windows=windows, target=side.target[rows], room=side.room[rows])
    return replace(parts, train=side)


def _roles(role: str, argument: str, corpus: Path, steps: int) -> Measure:
    if role == "floor":
        return _floor(argument)
    standalone = prepare(settings("fp32" if role == "plain" else argument), data=corpus)
    if role == "share":
        return lambda: spent(standalone)
    if role == "learn":
        return lambda: _learned(corpus, argument)
    if role == "trial":
        return _trial(standalone, steps)
    return _plain(standalone, corpus, steps, threads=int(argument))


def _trial(standalone: StandaloneTrial, steps: int) -> Measure:
    config = standalone.config
    determinism.apply(config.determinism, threads=config.threads, precision=config.precision)
    parts = shortened(build_components(config, standalone.store), steps)
    epochs = iter(range(1, sys.maxsize))
    return lambda: _timed(lambda: train_epoch(parts, next(epochs)), len(parts.train))


def _plain(standalone: StandaloneTrial, corpus: Path, steps: int, *, threads: int) -> Measure:
    store = standalone.store
    windows = shortened(build_components(standalone.config, store), steps).train.windows
    files = [
        (_file(corpus, store, clip), start, store.labels[clip])
        for clip, start in zip(windows.clip.tolist(), windows.start.tolist(), strict=True)
    ]
    torch.set_num_threads(threads)
    loop = PlainLoop(files, classes=len(store.classes))
    return lambda: _timed(loop.epoch, len(files))


def _file(corpus: Path, store: Store, clip: int) -> Path:
    return corpus / store.classes[store.labels[clip]] / f"{store.names[clip]}.wav"


def _learned(corpus: Path, precision: str) -> Measured:
    """Scores after a training of the CNN on log-mel images."""
    given = settings(precision) | {
        "epochs": 20,
        "batch_size": 32,
        "feature": {"name": "melspec", "n_mels": 64},
        "model": {"name": "cnn", "pool": "gap"},
        "lr_scheduler": {"name": "LinearLR", "end_factor": 0.1},
        "data": {"split": {"folds": 5}},
    }
    started = time.perf_counter()
    standalone = prepare(given, data=corpus)
    last = train(standalone.config, standalone.store).history[-1]
    return {
        "clip_accuracy": last["val_clip_accuracy"],
        "acc": last["val_acc"],
        "seconds": time.perf_counter() - started,
    }


def _floor(precision: str) -> Measure:
    """Windows a second, if a step were nothing but matrix products of a good size."""
    torch.set_num_threads(1)
    types = {"fp32": torch.float32, "bf16": torch.bfloat16}
    a = torch.rand(_FLOOR_SIZE, _FLOOR_SIZE, dtype=types[precision])
    b, out = a.t().contiguous(), torch.empty_like(a)
    forward = model_cost({"name": "cnn"}, classes=10, input_shape=(1, 513, 130)).flops
    # backward computes as much again for the weights and for the inputs; not for the images
    first = 2 * 9 * 32 * 513 * 130
    flops = 3 * forward - first
    products = 10 if precision == "fp32" else 60
    windows = products * 2 * _FLOOR_SIZE**3 / flops

    def multiply() -> None:
        for _ in range(products):
            torch.mm(a, b, out=out)

    return lambda: _timed(multiply, windows)


def _timed(act: Callable[[], object], windows: float) -> Measured:
    wall, cpu = time.perf_counter(), time.process_time()
    act()
    return {
        "windows_per_second": windows / (time.perf_counter() - wall),
        "cpu_ms_per_window": 1000 * (time.process_time() - cpu) / windows,
    }
