"""Settings of samplers and early termination."""

from typing import get_args

import pytest

from genretune.tune.space.settings import Asha, SamplerSettings, TpeSampler


@pytest.mark.parametrize(
    ("grace_period", "reduction_factor", "epochs", "rungs"),
    [
        (1, 3, 10, (1, 3, 9)),
        (1, 3, 9, (1, 3)),
        (2, 2, 50, (2, 4, 8, 16, 32)),
        (10, 3, 10, ()),
    ],
)
def test_rungs_grow_by_the_reduction_factor_and_stay_below_the_last_epoch(
    grace_period: int, reduction_factor: int, epochs: int, rungs: tuple[int, ...]
) -> None:
    rule = Asha(type="asha", grace_period=grace_period, reduction_factor=reduction_factor)
    assert rule.rung_epochs(epochs) == rungs


def test_samplers_that_need_history_have_a_lag_and_a_start_up() -> None:
    for settings in get_args(SamplerSettings):
        learns = {"lag", "n_startup"} <= settings.model_fields.keys()
        assert settings.needs_history == learns
    assert "needs_history" not in TpeSampler(type="tpe").model_dump()
