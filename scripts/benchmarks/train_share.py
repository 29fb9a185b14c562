"""Profile of a trial: time in features, forward, backward and optimizer, and elsewhere.

A whole segment is timed, with evaluation, digests, checkpoint and records.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from genretune.tune.training import train as training
from genretune.tune.training.components import Components, build_components
from genretune.tune.training.config import TrialConfig
from genretune.tune.trial.run_trial import run_trial
from genretune.tune.trial.standalone import StandaloneTrial
from genretune.tune.trial.trial_dir import TrialDir


class Profiler:
    """Adds up the time (s) spent in wrapped functions; nested calls count once."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._inside = False

    def wrap(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return ``function`` with its time added to ``seconds[name]``."""

        def timed(*args: Any, **kwargs: Any) -> Any:
            if self._inside:
                return function(*args, **kwargs)
            self._inside, started = True, time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                spent = time.perf_counter() - started
                self.seconds[name] = self.seconds.get(name, 0.0) + spent
                self._inside = False

        return timed


def time_shares(standalone: StandaloneTrial) -> dict[str, float]:
    """Return the shares (0 to 1) of the time of a segment of one epoch, and its ``seconds``.

    ``outside`` is everything but features, forward, backward and optimizer. The components are
    built beforehand: that happens once per trial and does not count.
    """
    profiler = Profiler()
    config = standalone.config.model_copy(update={"epochs": 1})
    built = build_components(config, standalone.store)
    with tempfile.TemporaryDirectory() as folder, _profiling(built, profiler):
        started = time.perf_counter()
        _run(config, standalone, Path(folder) / "trial")
        whole = time.perf_counter() - started
    shares = {name: seconds / whole for name, seconds in profiler.seconds.items()}
    return {**shares, "outside": 1.0 - sum(shares.values()), "seconds": whole}


def _run(config: TrialConfig, standalone: StandaloneTrial, folder: Path) -> None:
    run_trial(config, standalone.store, TrialDir(folder), on_report=lambda record: True)


@contextmanager
def _profiling(components: Components, profiler: Profiler) -> Iterator[None]:
    """Wrap the components, and make the trial use them instead of building its own."""
    feature, model, optimizer = components.feature, components.model, components.optimizer
    with (
        mock.patch.object(training, "build_components", lambda *_, **__: components),
        mock.patch.object(feature, "forward", profiler.wrap("features", feature.forward)),
        mock.patch.object(model, "forward", profiler.wrap("forward", model.forward)),
        mock.patch.object(torch.Tensor, "backward", profiler.wrap("backward", _backward)),
        mock.patch.object(optimizer, "step", profiler.wrap("optimizer", optimizer.step)),
    ):
        yield


_backward = torch.Tensor.backward
