"""Prediction for several files: unreadable files and Ctrl-C."""

from pathlib import Path
from typing import Any, cast

import pytest

from genretune.data.errors import DataError
from genretune.scripts.commands.predict import _predict_files
from genretune.tune.trial.predict import Prediction, Predictor

FILES = [Path("a.wav"), Path("b.wav"), Path("c.wav")]


class FakePredictor:
    """A predictor that raises the given exceptions, by the stem of the file's name."""

    def __init__(self, **errors: BaseException) -> None:
        self._errors = errors

    def predict(self, path: Path) -> Prediction:
        if path.stem in self._errors:
            raise self._errors[path.stem]
        return Prediction(str(path), 1, 1.0, {"jazz": 1.0})


def predict_all(predictor: FakePredictor, **options: Any) -> tuple[list[str], int]:
    predictions, code = _predict_files(cast(Predictor, predictor), FILES, **options)
    return [prediction.file for prediction in predictions], code


def test_an_unreadable_file_of_a_folder_is_reported_and_skipped(
    capsys: pytest.CaptureFixture[str],
) -> None:
    bad = FakePredictor(b=DataError("b.wav: bad"))
    assert predict_all(bad, single_file=False) == (["a.wav", "c.wav"], 1)
    assert capsys.readouterr().err == "genretune: b.wav: bad\n"
    with pytest.raises(DataError):
        predict_all(bad, single_file=True)


def test_ctrl_c_keeps_the_predictions_made_so_far(capsys: pytest.CaptureFixture[str]) -> None:
    assert predict_all(FakePredictor(c=KeyboardInterrupt()), single_file=False) == (
        ["a.wav", "b.wav"],
        130,
    )
    assert "interrupted after 2 of 3 files" in capsys.readouterr().err
