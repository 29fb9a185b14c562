"""The models soak test compares two processes and names the models that differ."""

import pytest

from genretune.models.build import MODELS
from genretune.scripts.soaks import models as soak_models


def test_two_fresh_processes_train_the_same_weights(capsys: pytest.CaptureFixture[str]) -> None:
    assert soak_models.main(["--small"]) == 0
    count = len(MODELS) - len(soak_models.LARGEST)
    assert f"{count} of {count} models agree to the bit" in capsys.readouterr().out


def test_models_that_differ_are_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    digests = ({"cnn": "a", "lcnn9": "b"}, {"cnn": "a", "lcnn9": "c"})
    monkeypatch.setattr(soak_models, "_two_processes", lambda names: digests)
    assert soak_models.main(["cnn", "lcnn9"]) == 1
    out = capsys.readouterr().out
    assert "lcnn9: b in one process, c in another" in out
    assert "1 of 2 models agree" in out


def test_the_largest_models_exist() -> None:
    assert set(soak_models.LARGEST) < set(MODELS)
