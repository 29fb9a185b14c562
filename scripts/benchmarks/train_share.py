"""Where the time of a trial goes: in features, forward, backward and optimizer, or elsewhere.

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


class Clock:
    """Adds up the time (s) inside of what it is put around; what is nested counts once."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._inside = False

    def around(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """``function``, timed."""

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


def spent(standalone: StandaloneTrial) -> dict[str, float]:
    """Share of the time of one epoch's segment by what it was spent on, 0 to 1.

    ``outside`` is what is neither feature, forward, backward nor optimizer; what is done once a
    trial (the parts are built) does not count.
    """
    clock = Clock()
    config = standalone.config.model_copy(update={"epochs": 1})
    built = build_components(config, standalone.store)
    with tempfile.TemporaryDirectory() as folder, _timing(built, clock):
        started = time.perf_counter()
        _run(config, standalone, Path(folder) / "trial")
        whole = time.perf_counter() - started
    shares = {name: seconds / whole for name, seconds in clock.seconds.items()}
    return {**shares, "outside": 1.0 - sum(shares.values()), "seconds": whole}


def _run(config: TrialConfig, standalone: StandaloneTrial, folder: Path) -> None:
    run_trial(config, standalone.store, TrialDir(folder), on_report=lambda record: True)


@contextmanager
def _timing(components: Components, clock: Clock) -> Iterator[None]:
    """Clocks around the trial's parts, and these parts in place of those that it would build."""
    feature, model, optimizer = components.feature, components.model, components.optimizer
    with (
        mock.patch.object(training, "build_components", lambda *_: components),
        mock.patch.object(feature, "forward", clock.around("features", feature.forward)),
        mock.patch.object(model, "forward", clock.around("forward", model.forward)),
        mock.patch.object(torch.Tensor, "backward", clock.around("backward", _backward)),
        mock.patch.object(optimizer, "step", clock.around("optimizer", optimizer.step)),
    ):
        yield


_backward = torch.Tensor.backward
