"""What predict does with many files: a bad one, and Ctrl-C."""

from pathlib import Path
from typing import Any, cast

import pytest

from genretune.data.errors import DataError
from genretune.scripts.commands.predict import _listen
from genretune.tune.trial.predict import Prediction, Predictor

FILES = [Path("a.wav"), Path("b.wav"), Path("c.wav")]


class Listener:
    """Predicts by a table; an exception in it is raised."""

    def __init__(self, **table: BaseException) -> None:
        self._table = table

    def predict(self, path: Path) -> Prediction:
        if path.stem in self._table:
            raise self._table[path.stem]
        return Prediction(str(path), 1, 1.0, {"jazz": 1.0})


def analyze_clip(listener: Listener, **how: Any) -> tuple[list[str], int]:
    found, code = _listen(cast(Predictor, listener), FILES, **how)
    return [one.file for one in found], code


def test_a_bad_file_among_others_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    bad = Listener(b=DataError("b.wav: bad"))
    assert analyze_clip(bad, alone=False) == (["a.wav", "c.wav"], 1)
    assert capsys.readouterr().err == "genretune: b.wav: bad\n"
    with pytest.raises(DataError):
        analyze_clip(bad, alone=True)


def test_ctrl_c_keeps_what_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    assert analyze_clip(Listener(c=KeyboardInterrupt()), alone=False) == (["a.wav", "b.wav"], 130)
    assert "interrupted after 2 of 3 files" in capsys.readouterr().err
