"""The configuration of a sweep's trial follows the sweep's metric and the rules of its time."""

from typing import Any

from genretune.tune.run.sweep_config import sweep_trial_config
from genretune.tune.samplers.random_search import draw
from genretune.tune.space.load import space_from_text
from genretune.tune.training.config import FIRST_RULES, RULES, TrialConfig
from tests.spaces import tiny_space

DATA = {"samples": "0" * 64}


def config_of(metric: str, **facts: Any) -> TrialConfig:
    space = space_from_text(tiny_space(2), "tiny.yaml", [f"metric={metric}"])
    sweep = {"data": DATA, "device": "cpu", **facts}
    return sweep_trial_config(space, sweep, draw(space, 0, 0), 1, {})


def test_the_best_epoch_is_that_of_the_sweeps_metric() -> None:
    for name, mode in (("val_loss", "min"), ("val_macro_f1", "max")):
        config = config_of(f"{{name: {name}, mode: {mode}}}", rules=RULES)
        assert config.best.metric == name and config.rules == RULES


def test_a_sweep_of_before_keeps_its_rules() -> None:
    config = config_of("{name: val_loss, mode: min}")
    assert config.best.metric == "val_clip_accuracy" and config.rules == FIRST_RULES
    assert "rules" not in config.model_dump(mode="json")
