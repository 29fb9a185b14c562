"""Messages with the line of the space file."""

from pathlib import Path

import pytest

from genretune.tune.errors import TuneError
from genretune.tune.run.sweep_setup import add_location, new_sweep
from genretune.tune.space.load import space_from_text
from tests.spaces import SPACE_WITH_A_CHOICE

METRIC = "metric={name: val_loss, mode: min}"


@pytest.mark.parametrize(
    ("message", "located"),
    [
        ("data.split.folds: rule", "tiny.yaml:6: data.split.folds: rule"),
        ("model.reduction: rule", "tiny.yaml:11: trial.model.reduction: rule"),
        ("feature.n_mels: rule", "tiny.yaml:15: trial.feature.n_mels: rule"),
        ("elsewhere.key: rule", "elsewhere.key: rule"),
        ("no key at all", "no key at all"),
    ],
)
def test_messages_name_the_line_of_their_key(message: str, located: str) -> None:
    assert add_location(space_from_text(SPACE_WITH_A_CHOICE, "tiny.yaml", []), message) == located


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("trial.best={metric: val_acc}", "must be the sweep's metric, val_loss, got val_acc"),
        ("parameters.best.metric={values: [val_loss, val_acc]}", "must not be swept"),
        ("trial.rules=1", "must not be set for trials"),
    ],
)
def test_what_belongs_to_the_sweep_is_not_set_for_trials(
    tmp_path: Path, override: str, message: str
) -> None:
    space = space_from_text(SPACE_WITH_A_CHOICE, "tiny.yaml", [override, METRIC])
    with pytest.raises(TuneError, match=message):
        new_sweep(space, tmp_path)  # before the corpus is looked at
