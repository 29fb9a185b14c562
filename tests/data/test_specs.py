"""Settings about data: complete, frozen, and rejected with one line."""

import pytest

from genretune.data.errors import DataError
from genretune.data.specs import SplitSpec, WindowSpec, read_spec


def test_defaults_are_the_reference_protocol() -> None:
    split, window = SplitSpec(), WindowSpec()
    assert (split.name, split.folds, split.fold, split.seed) == ("stratified", 5, 1, 123456789)
    assert (window.seconds, window.overlap, window.clip_seconds) == (3.0, 0.5, 30.0)


def test_contaminated_has_its_own_defaults_and_must_be_acknowledged() -> None:
    split = SplitSpec(name="contaminated", i_know_this_leaks=True)
    assert (split.folds, split.seed, split.leaks) == (3, 12345, True)
    assert not SplitSpec().leaks
    with pytest.raises(DataError, match="i_know_this_leaks must be true"):
        read_spec(SplitSpec, {"name": "contaminated"}, "data.split")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": "stratifid"}, r"data.split.name: must be one of .*did you mean 'stratified'"),
        (
            {"fodls": 3},
            r"data.split.fodls: must be a known key, got 'fodls' \(did you mean 'folds'",
        ),
        ({"folds": 1}, "folds must be at least 2"),
        ({"folds": 3, "fold": 4}, "fold must be from 1 to folds"),
        ({"fold": 0}, "data.split.fold: must be .*got 0"),
        ({"test": 1.0}, "data.split.test: .*less than 1"),
        ({"folds": "5"}, "data.split.folds: .*got '5'"),
        ({"name": "fault-filtered", "test": 0.1}, "test must be 0 for fault-filtered"),
        ({"file": "x.csv"}, "name must be file"),
        ({"group_pattern": "(a"}, "a regular expression"),
        ({"group_pattern": "a"}, "exactly one"),
    ],
)
def test_invalid_settings_are_rejected_in_one_line(values: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message) as error:
        read_spec(SplitSpec, values, "data.split")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("values", [{"overlap": 1.0}, {"seconds": 0}, {"clip_seconds": -1.0}])
def test_invalid_windows(values: dict[str, object]) -> None:
    with pytest.raises(DataError, match="data.window."):
        read_spec(WindowSpec, values, "data.window")


def test_a_split_survives_a_round_trip_through_json() -> None:
    for split in (SplitSpec(), SplitSpec(name="fault-filtered"), SplitSpec(test=0.2, seed=1)):
        assert SplitSpec.model_validate(split.model_dump(mode="json")) == split
        assert SplitSpec.model_validate_json(split.model_dump_json()) == split
