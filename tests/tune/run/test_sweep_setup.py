"""Messages with the line of the space file."""

import pytest

from genretune.tune.run.sweep_setup import add_location
from genretune.tune.space.load import space_from_text
from tests.spaces import SPACE_WITH_A_CHOICE


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
