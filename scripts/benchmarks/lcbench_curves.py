"""Learning curves of LCBench's surrogate as trials for ``simulate``.

LCBench (Zimmer, Lindauer, Hutter 2021, https://arxiv.org/abs/2006.13799): multilayer perceptrons on
34 OpenML tasks, 7 hyperparameters, 52 epochs. The surrogate that predicts its curves is YAHPO Gym's
(Pfisterer et al. 2022, https://arxiv.org/abs/2109.03670), from github.com/slds-lmu/yahpo_data
(Apache-2.0): ``model.onnx``, ``encoding.json`` and ``config_space.json``. It needs onnxruntime,
which nothing else here does.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genretune.tune.errors import TuneError
from genretune.tune.space.load import space_from_text
from genretune.tune.space.space import Space
from genretune.tune.sweep.simulate import End

EPOCHS = 52
DEVELOPMENT = (
    "167201 167104 189905 126029 146212 189354 167190 167185 167152 189873 189862 7593 168329 "
    "168330 189906 189865 168335 168868 167149 168910 168908 167184 126025"
).split()
"""Tasks on which settings were chosen; the other eleven were kept for a look at the end."""

_FILES = ("model.onnx", "encoding.json", "config_space.json")
_TASK = "OpenML_task_id"
_SCALE_CONFIGURATIONS = 4000
_INPUTS = (
    "batch_size",
    "optimizer.lr",
    "optimizer.momentum",
    "optimizer.weight_decay",
    "model.layers",
    "model.units",
    "model.dropout",
)
_SPACE = """
version: 1
name: lcbench
seed: 0
trials: 100000
metric: {name: val_acc, mode: max}
sampler: {type: random}
early_terminate: {type: asha, grace_period: 2, reduction_factor: 3}
trial: {epochs: 52}
parameters:
  optimizer.lr:           {distribution: loguniform, min: 1.0e-4, max: 1.0e-1}
  optimizer.weight_decay: {distribution: loguniform, min: 1.0e-5, max: 1.0e-1}
  optimizer.momentum:     {distribution: uniform, min: 0.1, max: 0.99}
  batch_size:             {distribution: lograndint, min: 16, max: 512}
  model.layers:           {distribution: randint, min: 1, max: 5}
  model.units:            {distribution: lograndint, min: 64, max: 1024}
  model.dropout:          {distribution: uniform, min: 0.0, max: 1.0}
"""


def lcbench_space(overrides: Iterable[str] = ()) -> Space:
    """Return the space of the curves, with overrides."""
    return space_from_text(_SPACE, "lcbench.yaml", list(overrides))


class Surrogate:
    """The network that predicts the curves, on one thread.

    Raises:
        TuneError: onnxruntime is not installed, or a file is missing.
    """

    def __init__(self, folder: Path) -> None:
        for name in _FILES:
            if not (folder / name).is_file():
                raise TuneError(f"{folder}: must have LCBench's surrogate, got no {name}")
        try:
            import onnxruntime
        except ModuleNotFoundError:
            raise TuneError(
                "onnxruntime: must be installed to predict LCBench's curves, got no such package "
                "(pip install onnxruntime)"
            ) from None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session: Any = onnxruntime.InferenceSession(
            str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
        )
        self._codes: Mapping[str, int] = json.loads((folder / "encoding.json").read_text())[_TASK]
        hyperparameters = json.loads((folder / "config_space.json").read_text())["hyperparameters"]
        (names,) = (entry["choices"] for entry in hyperparameters if entry["name"] == _TASK)
        self.tasks: tuple[str, ...] = tuple(names)

    def predict(self, task: str, configs_NP: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (seconds so far, accuracy in per cent) after each epoch, [N, epochs, 2]."""
        count = len(configs_NP)
        epochs = np.tile(np.arange(1, EPOCHS + 1), count)
        rows = np.column_stack([epochs, np.repeat(configs_NP, EPOCHS, axis=0)])
        inputs = {
            "x_cat": np.full((len(rows), 1), self._codes[task], np.int32),
            "x_cont": rows.astype(np.float32),
        }
        predicted = np.asarray(self._session.run(None, inputs)[0], np.float64)
        return predicted.reshape(count, EPOCHS, -1)[:, :, :2]


class Task:
    """The curves of one task; each configuration is predicted once.

    Attributes:
        name: the number of the OpenML task.
        top: best accuracy of 4,000 random configurations at any epoch.
        middle: median of their best accuracies.
    """

    def __init__(self, surrogate: Surrogate, name: str) -> None:
        self.name = name
        self._surrogate = surrogate
        self._curves: dict[tuple[object, ...], tuple[list[float], list[float]]] = {}
        best = surrogate.predict(name, _random_inputs(_SCALE_CONFIGURATIONS))[:, :, 1].max(1) / 100
        self.top, self.middle = float(best.max()), float(np.median(best))

    def regret(self, value: float) -> float:
        """Return 0 for the best of the random configurations, 1 for their median."""
        return (self.top - value) / max(self.top - self.middle, 1e-9)

    def value(self, trial: int, parameters: Mapping[str, object], epoch: int) -> float:
        return self._curve(parameters)[0][epoch - 1]

    def seconds(self, trial: int, parameters: Mapping[str, object], epoch: int) -> float:
        return self._curve(parameters)[1][epoch - 1]

    def end(self, trial: int, parameters: Mapping[str, object], epoch: int) -> End | None:
        return None

    def loss(self, trial: int, epoch: int, attempt: int) -> bool:
        return False

    def _curve(self, parameters: Mapping[str, object]) -> tuple[list[float], list[float]]:
        """Return the accuracy after each epoch and the seconds of each."""
        key = tuple(parameters[name] for name in _INPUTS)
        if key not in self._curves:
            curve = self._surrogate.predict(self.name, np.array([key], np.float64))[0]
            # the predicted clock is not monotone; an epoch takes some time at least
            clock = np.maximum.accumulate(np.concatenate([[0.0], curve[:, 0]]))
            seconds = np.maximum(np.diff(clock), 0.05)
            self._curves[key] = ((curve[:, 1] / 100).tolist(), seconds.tolist())
        return self._curves[key]


def _random_inputs(count: int) -> NDArray[np.float64]:
    """Return random configurations in the order of the surrogate's inputs, [N, 7]."""
    rng = np.random.default_rng(0)
    columns = [
        2 ** rng.uniform(4, 9, count),
        10 ** rng.uniform(-4, -1, count),
        rng.uniform(0.1, 0.99, count),
        10 ** rng.uniform(-5, -1, count),
        rng.integers(1, 6, count),
        2 ** rng.uniform(6, 10, count),
        rng.uniform(0, 1, count),
    ]
    return np.column_stack(columns).astype(np.float64)
