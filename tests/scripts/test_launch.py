"""Edits of a space file after its sweep has started."""

from pathlib import Path

import pytest

from genretune.scripts.launch import check_unedited
from genretune.tune.errors import TuneError
from genretune.tune.space.load import space_from_text
from genretune.tune.storage.run_dir import RunDir

SPACE = """\
version: 1
name: tiny
seed: 3
trials: 3
keep: none
metric: {name: val_loss, mode: min}
trial: {epochs: 1}
parameters:
  optimizer.lr: {distribution: loguniform, min: 1.0e-3, max: 3.0e-2}
"""


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    space = space_from_text(SPACE, "tiny.yaml")
    run = RunDir(tmp_path / "run")
    run.create(SPACE, {"space": space.as_json(), "overrides": []})
    return run


def saved(overrides: tuple[str, ...] = ()) -> dict[str, object]:
    space = space_from_text(SPACE, "tiny.yaml", overrides)
    return {"space": space.as_json(), "overrides": list(overrides)}


def test_the_keep_rule_may_change(run: RunDir) -> None:
    assert check_unedited(run, saved()) == "none"
    run.space_yaml.write_text(SPACE.replace("keep: none", "keep: best"))
    assert check_unedited(run, saved()) == "best"
    assert check_unedited(run, saved(("keep=all",))) == "all", "as given on the command line"
    run.space_yaml.unlink()
    assert check_unedited(run, saved()) is None


def test_keys_that_change_results_must_not_change(run: RunDir) -> None:
    edited = SPACE.replace("keep: none", "keep: best").replace("seed: 3", "seed: 4")
    run.space_yaml.write_text(edited)
    with pytest.raises(TuneError) as error:
        check_unedited(run, saved())
    assert "must not change during a sweep, got changes in seed (restore it" in str(error.value)
