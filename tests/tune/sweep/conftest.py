"""A small search space without data, and the outcome of a sweep for comparisons."""

from collections.abc import Callable
from typing import Any

import pytest

from genretune.tune.space.load import space_from_text
from genretune.tune.space.space import Space
from genretune.tune.sweep.leaderboard import leaderboard
from genretune.tune.sweep.state_machine import StateMachine

SPACE = """
version: 1
name: simulated
seed: 7
trials: 20
metric: {name: val_clip_accuracy, mode: max}
early_terminate: {type: asha, grace_period: 1, reduction_factor: 2}
trial: {epochs: 10}
parameters:
  optimizer.lr: {distribution: loguniform, min: 1.0e-5, max: 1.0e-1}
  model.reduction: {values: [null, 4, 8]}
  lr_scheduler:
    choice:
      - {name: null}
      - {name: LinearLR, end_factor: {distribution: uniform, min: 0.01, max: 0.5}}
"""


@pytest.fixture(scope="session")
def space() -> Callable[..., Space]:
    """Return the space of this folder, with overrides."""
    return lambda *overrides: space_from_text(SPACE, "simulated.yaml", overrides)


@pytest.fixture(scope="session")
def outcome() -> Callable[[StateMachine], Any]:
    """Return the leaderboard and every verdict with its comparison."""
    return lambda state_machine: (
        leaderboard(state_machine.state),
        [
            [(v.rung, v.verdict, v.compared) for _, v in sorted(trial.verdicts.items())]
            for trial in state_machine.state.trials
        ],
    )
