"""The estimate of a trial's memory: what it counts, and that a real step takes as much."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from genretune.data.store import Store
from genretune.models.plugins import load_plugin
from genretune.tune.reproducibility import determinism
from genretune.tune.training.components import build_components
from genretune.tune.training.config import TrialConfig
from genretune.tune.training.epoch import evaluate, train_epoch
from genretune.tune.training.memory_estimate import (
    _LiveStorages,
    estimate_peak_memory,
    largest_memory,
)
from genretune.tune.training.resolve_config import trial_config

Tiny = Callable[..., dict[str, Any]]
CNN = {"name": "cnn", "filters": [16, 32, 32], "reduction": 2, "pool": "flatten", "dropout": None}


def tensors(config: TrialConfig) -> int:
    """Bytes of tensors alone, as on a GPU."""
    size = estimate_peak_memory(config.model_copy(update={"device": "cuda"}), classes=10)
    assert size is not None
    return size


@pytest.mark.parametrize(
    "changes",
    [
        {"model": CNN | {"dropout": 0.25}, "batch_size": 32, "eval_batch_size": 4},
        {"model": CNN, "batch_size": 32, "micro_batch_size": 8},
        {"model": CNN, "batch_size": 2, "eval_batch_size": 24},
        {"model": {"name": "resnet18"}, "batch_size": 8, "eval_batch_size": 8},
        {"model": {"name": "resnet18"}, "batch_size": 8, "optimizer": {"name": "SGD"}},
    ],
)
def test_a_real_step_takes_as_much(store: Store, tiny: Tiny, changes: dict[str, Any]) -> None:
    config = trial_config(tiny(epochs=1, **changes))
    determinism.apply("strict", threads=1, precision="fp32")
    components = build_components(config, store)
    train_epoch(components, 1)  # makes the optimizer's state
    live = _LiveStorages(components.model)
    with live:
        for state in components.optimizer.state.values():
            for value in state.values():
                live._add(value)
        train_epoch(components, 2)
        evaluate(components, components.validation)
    # all but targets, scores and seeds, which are small even beside these networks
    assert 0.97 * live.peak < tensors(config) < 1.03 * live.peak


def test_what_is_counted(tiny: Tiny) -> None:
    def of(**changes: Any) -> int:
        given = {"model": CNN, "batch_size": 16, "eval_batch_size": 1} | changes
        return tensors(trial_config(tiny(**given)))

    plain = of()
    assert of(batch_size=32) > 1.5 * plain
    assert of(batch_size=32, micro_batch_size=16) == of(batch_size=64, micro_batch_size=16)
    assert of(micro_batch_size=4) < plain
    assert of(eval_batch_size=256) > plain
    assert of(precision="bf16") == plain  # as of fp32
    sgd, momentum = of(optimizer={"name": "SGD"}), of(optimizer={"name": "SGD", "momentum": 0.9})
    amsgrad = of(optimizer={"name": "Adam", "amsgrad": True})
    weights = momentum - sgd
    assert plain - sgd == 2 * weights  # Adam has two moments
    assert amsgrad - sgd == 3 * weights


def test_a_process_on_a_cpu_takes_more_than_its_tensors(tiny: Tiny) -> None:
    config = trial_config(tiny())
    on_cpu = estimate_peak_memory(config, classes=10)
    assert on_cpu is not None and on_cpu > 1e9 + tensors(config)


def test_the_largest_of_several(tiny: Tiny) -> None:
    configs = [trial_config(tiny(batch_size=size)) for size in (8, 64, 16)]
    assert largest_memory(configs, classes=10) == estimate_peak_memory(configs[1], classes=10)
    assert largest_memory([], classes=10) is None


READS_VALUES = """\
from torch import nn

class Odd(nn.Module):
    def __init__(self, *, classes: int, input_shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.linear = nn.Linear(input_shape[0] * input_shape[1] * input_shape[2], classes)

    def reset_parameters(self) -> None:
        pass

    def forward(self, x_BCFT):
        return self.linear(x_BCFT.flatten(1) / VALUE)

MODELS = {"odd": Odd}
"""


@pytest.mark.parametrize("value", ["float(x_BCFT.max())", "x_BCFT.numpy().max()"])
def test_a_network_that_reads_values_has_no_estimate(
    value: str, tiny: Tiny, tmp_path: Path
) -> None:
    file = tmp_path / "odd.py"
    file.write_text(READS_VALUES.replace("VALUE", value))
    plugins = {"odd.py": load_plugin(file)}
    odd = trial_config(tiny(model={"name": "odd"}), plugins=plugins)
    known = trial_config(tiny())
    assert estimate_peak_memory(odd, classes=10, plugins=plugins) is None
    assert largest_memory([odd, known], classes=10, plugins=plugins) == largest_memory(
        [known], classes=10
    )
