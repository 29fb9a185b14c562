"""Loading of space files, with the exact message for each problem."""

import json
from pathlib import Path

import pytest

from genretune.tune.space.load import (
    changed_keys,
    load_space,
    note_on_size,
    space_from_json,
    space_from_text,
    with_trials,
)
from genretune.tune.space.problems import SpaceError

MALFORMED = json.loads((Path(__file__).parent / "malformed.json").read_text())
SPACES = sorted((Path(__file__).parents[3] / "search_spaces").glob("*.yaml"))


@pytest.mark.parametrize("case", MALFORMED, ids=[str(i) for i in range(len(MALFORMED))])
def test_problems_are_reported_with_place_rule_and_value(
    good: str, case: dict[str, object]
) -> None:
    text = good.replace(str(case["replace"]), str(case["by"]), 1)
    assert text != good
    with pytest.raises(SpaceError) as error:
        space_from_text(text, "s.yaml")
    assert list(error.value.lines) == case["messages"]


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "none.yaml"
    with pytest.raises(SpaceError) as error:
        load_space(path)
    assert str(error.value) == f"{path}: must be a search space file, got no such file"


def test_defaults_are_written_out_and_read_back(good: str) -> None:
    space = space_from_text(good, "s.yaml")
    saved = json.loads(json.dumps(space.as_json()))
    assert saved["sampler"] == {"type": "random"}
    assert saved["seeds"] == "per_trial"
    assert saved["early_terminate"]["order"] == "index"
    assert space_from_json(saved) == space
    assert changed_keys(space_from_json(saved), space) == []


def test_changed_keys_are_named(good: str) -> None:
    before = space_from_text(good, "s.yaml")
    after = space_from_text(good.replace("epochs: 10", "epochs: 11"), "s.yaml", ["seed=8"])
    assert changed_keys(before, after) == ["seed", "trial.epochs"]


def test_keep_is_not_part_of_the_identity_of_a_sweep(good: str) -> None:
    usual = space_from_text(good, "s.yaml")
    best = space_from_text(good + "keep: best\n", "s.yaml")
    assert (usual.keep, best.keep) == ("usual", "best")
    assert space_from_json(best.as_json()).keep == "best"
    assert changed_keys(usual, best) == []
    older = {key: value for key, value in usual.as_json().items() if key != "keep"}
    assert space_from_json(older).keep == "usual"


def test_a_value_that_is_a_mapping_replaces_shared_settings(good: str) -> None:
    values = "{values: [null, {name: LinearLR, end_factor: 0.5}]}"
    shared = ["trial.optimizer={name: Adam, amsgrad: true}", "parameters.lr_scheduler=" + values]
    both = [*shared, "parameters.optimizer={values: [{name: SGD}, {name: Adam}]}"]
    space = space_from_text(good.replace("  optimizer.lr:", "  optimiser.lr:"), "s.yaml", both)
    first = {"lr_scheduler": None, "optimizer.name": "SGD"}
    assert space.configure(first)["lr_scheduler"] is None
    assert space.configure(first)["optimizer"] == {"name": "SGD"}
    other = {"lr_scheduler.name": "LinearLR", "lr_scheduler.end_factor": 0.5}
    assert space.configure(other)["lr_scheduler"] == {"name": "LinearLR", "end_factor": 0.5}


def test_dimension_names_are_unique(good: str) -> None:
    """Also if an option is named like the index of another."""
    options = "[{name: A, x: {values: [1, 2]}}, {name: A, y: 3}, {name: '0', x: {values: [1, 4]}}]"
    space = space_from_text(good, "s.yaml", ["parameters.loss={choice: " + options + "}"])
    names = [dimension.name for dimension in space.dimensions()]
    assert len(set(names)) == len(names)
    assert {"loss[0].x", "loss[2].x"} <= set(names)


def test_a_grid_limits_the_number_of_trials(good: str) -> None:
    grid = ["sampler={type: grid}", "parameters.optimizer.lr={values: [0.1, 0.01]}"]
    space = space_from_text(good, "s.yaml", grid)
    assert space.size() == 2 * 3 * (1 + 2)
    assert with_trials(space, 18).trials == 18
    with pytest.raises(SpaceError, match=r"trials: must be at most the grid's 18 configurations"):
        with_trials(space, 19)


def test_a_finite_space_that_ends_before_the_trials_do_is_said(good: str) -> None:
    said = "the space has 9 configurations, fewer than the 12 trials: the sweep ends when all of"
    finite = space_from_text(good, "s.yaml", ["trial.optimizer.lr=1e-3"])
    assert finite.notes[-1].startswith(said)
    assert note_on_size(with_trials(finite, 9)) is None
    assert (note_on_size(with_trials(finite, 12)) or "").startswith(said)
    assert not space_from_text(good, "s.yaml").notes


def test_a_grid_that_is_not_tried_as_a_whole_is_said(good: str) -> None:
    part = space_from_text(
        good, "s.yaml", ["trial.optimizer.lr=1e-3", "sampler={type: grid}", "trials=4"]
    )
    assert part.notes[-1] == (
        "the grid has 9 configurations; only the first 4 are tried "
        "(sampler.order: shuffled spreads them over it)"
    )
    assert note_on_size(with_trials(part, 9)) is None


@pytest.mark.parametrize(
    ("override", "where"),
    [
        ("parameters.model.reduction={values: [4, .inf]}", "values"),
        ("parameters.model.reduction={values: [4, {a: [.nan]}]}", "values"),
        ("parameters.model.reduction={choice: [{name: a, b: -.inf}, {name: c}]}", "choice"),
    ],
)
def test_numbers_that_no_record_can_hold_are_refused(good: str, override: str, where: str) -> None:
    with pytest.raises(SpaceError, match=rf"{where}.*: must be finite, got (-inf|inf|nan)"):
        space_from_text(good, "s.yaml", [override])


def test_where_names_the_line_of_a_key(good: str) -> None:
    space = space_from_text(good, "s.yaml")
    assert space.where("feature.n_mels") == "s.yaml:14: parameters.feature"
    assert space.where("epochs") == "s.yaml:9: trial.epochs"
    assert space.where("metric.name") == "s.yaml:5: metric.name"
    assert space.where("nothing") == "nothing"


@pytest.mark.parametrize("path", SPACES, ids=lambda path: path.name)
def test_shipped_spaces_load(path: Path) -> None:
    assert load_space(path).trials > 0
