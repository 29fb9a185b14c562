"""The configuration of a sweep's trial: of the driver's checks and of the workers alike."""

from collections.abc import Mapping
from typing import Any

from genretune.models.plugins import Plugin
from genretune.tune.space.space import Space
from genretune.tune.training.config import FIRST_RULES, TrialConfig
from genretune.tune.training.resolve_config import trial_config


def sweep_trial_config(
    space: Space,
    sweep: Mapping[str, Any],
    parameters: Mapping[str, object],
    seed: int,
    plugins: Mapping[str, Plugin],
) -> TrialConfig:
    """Return the configuration of a trial.

    Args:
        sweep: the content of ``sweep.json``, of which ``data``, ``device`` and ``rules`` are used.
        parameters, seed: of the trial.

    Raises:
        TuneError, ModelError: the parameters are invalid or incompatible.
    """
    settings = space.configure(parameters)
    rules = sweep.get("rules", FIRST_RULES)
    settings |= {"seed": seed, "data": sweep["data"], "device": sweep["device"], "rules": rules}
    if rules != FIRST_RULES:
        # one meaning of "best": the leaderboard's value and the checkpoint are of the same epoch
        settings["best"] = {"metric": space.metric.name}
    return trial_config(settings, plugins=plugins)
