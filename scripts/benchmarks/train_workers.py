"""Worker processes of the training benchmark, and what each measures.

A worker prepares its side once, then measures for every line that it receives: so all sides can be
measured in turn, and two workers can run side by side.
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
from genretune.scripts.benchmarks.train_share import time_shares
from genretune.tune.reproducibility import determinism
from genretune.tune.reproducibility.determinism_env import ENVIRONMENT, MALLOC_ENVIRONMENT
from genretune.tune.training.components import Components, build_components
from genretune.tune.training.epoch import train_epoch
from genretune.tune.training.train import train
from genretune.tune.trial.standalone import StandaloneTrial, prepare

MICRO_BATCH = 8
_FLOOR_SIZE = 2048

Measured = dict[str, float]
Measure = Callable[[], Measured]


class Worker:
    """A process that measures on request.

    Args:
        role: ``plain``, ``trial``, ``share``, ``learn`` or ``floor``.
        argument: number of threads for ``plain``, otherwise a precision.
        corpus: folder of the audio.
        steps: batches per measurement.
    """

    def __init__(self, role: str, argument: str, corpus: Path, steps: int) -> None:
        # a plain loop gets what its author would have: nothing is set but the threads
        environment = {**os.environ, "GENRETUNE_CACHE": str(corpus.parent / "cache")}
        for name, value in {**ENVIRONMENT["strict"], **MALLOC_ENVIRONMENT}.items():
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
        assert self._process.stdin is not None and self._process.stdout is not None
        self._stdin, self._stdout = self._process.stdin, self._process.stdout

    def start_measurement(self) -> None:
        """Request a measurement; ``result`` waits for it."""
        self._stdin.write("measure\n")
        self._stdin.flush()

    def result(self) -> Measured:
        """Return the measurement that was requested.

        Raises:
            RuntimeError: the worker has exited.
        """
        line = self._stdout.readline()
        if not line:
            raise RuntimeError(
                f"a worker exited with {self._process.wait()}: {self._process.args!r}"
            )
        measured: Measured = json.loads(line)
        return measured

    def end(self) -> None:
        """Let the worker exit."""
        self._stdin.close()
        self._process.wait()


def measure_together(workers: Sequence[Worker]) -> Measured:
    """Measure on all workers at the same time; return the sums of their figures."""
    for worker in workers:
        worker.start_measurement()
    results = [worker.result() for worker in workers]
    return {name: sum(result[name] for result in results) for name in results[0]}


def serve() -> None:
    """Run in the worker: prepare, then measure for every line on standard input."""
    role, argument, corpus, steps = sys.argv[1:]
    measure = _measure_of(role, argument, Path(corpus), int(steps))
    for _ in sys.stdin:
        print(json.dumps(measure()), flush=True)


def settings(precision: str) -> dict[str, Any]:
    """Return the reference project's settings, with the paper's network at full size."""
    return {
        "seed": 1,
        "batch_size": 64,
        "micro_batch_size": MICRO_BATCH,
        "precision": precision,
        "device": "cpu",
        "optimizer": {"name": "Adam", "weight_decay": 1e-4},
        "data": {"split": {"folds": 2}},
    }


def shortened(components: Components, steps: int) -> Components:
    """Return the same trial with ``steps`` batches per epoch, spread evenly over all clips."""
    subset = components.train
    count = min(len(subset), steps * components.config.batch_size)
    rows = torch.linspace(0, len(subset) - 1, count).long()
    kept = rows.numpy()
    clip, start = subset.windows.clip[kept], subset.windows.start[kept]
    windows = replace(subset.windows, clip=clip, start=start)
    subset = replace(
        subset, windows=windows, target=subset.target[rows], max_offset=subset.max_offset[rows]
    )
    return replace(components, train=subset)


def _measure_of(role: str, argument: str, corpus: Path, steps: int) -> Measure:
    if role == "floor":
        return _floor(argument)
    standalone = prepare(settings("fp32" if role == "plain" else argument), data=corpus)
    if role == "share":
        return lambda: time_shares(standalone)
    if role == "learn":
        return lambda: _learned(corpus, argument)
    if role == "trial":
        return _trial(standalone, steps)
    return _plain(standalone, corpus, steps, threads=int(argument))


def _trial(standalone: StandaloneTrial, steps: int) -> Measure:
    config = standalone.config
    determinism.apply(config.determinism, threads=config.threads, precision=config.precision)
    components = shortened(build_components(config, standalone.store), steps)
    epochs = iter(range(1, sys.maxsize))
    return lambda: _timed(lambda: train_epoch(components, next(epochs)), len(components.train))


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
    """Train the CNN on log-mel images; return its validation scores."""
    chosen = settings(precision) | {
        "epochs": 20,
        "batch_size": 32,
        "feature": {"name": "melspec", "n_mels": 64},
        "model": {"name": "cnn", "pool": "gap"},
        "lr_scheduler": {"name": "LinearLR", "end_factor": 0.1},
        "data": {"split": {"folds": 5}},
    }
    started = time.perf_counter()
    standalone = prepare(chosen, data=corpus)
    last = train(standalone.config, standalone.store).history[-1]
    return {
        "clip_accuracy": last["val_clip_accuracy"],
        "acc": last["val_acc"],
        "seconds": time.perf_counter() - started,
    }


def _floor(precision: str) -> Measure:
    """Measure windows per second if a step were only matrix products of an efficient size."""
    torch.set_num_threads(1)
    types = {"fp32": torch.float32, "bf16": torch.bfloat16}
    a = torch.rand(_FLOOR_SIZE, _FLOOR_SIZE, dtype=types[precision])
    b, out = a.t().contiguous(), torch.empty_like(a)
    forward = model_cost({"name": "cnn"}, classes=10, input_shape=(1, 513, 130)).flops
    # backward costs as much as forward twice, for weights and inputs; the images need no gradient
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
