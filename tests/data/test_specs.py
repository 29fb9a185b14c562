"""Settings about data: complete, frozen, and checked with one line."""

import pytest

from genretune.data.errors import DataError
from genretune.data.specs import SplitSpec, WindowSpec, read_spec


def test_defaults_are_the_reference_protocol() -> None:
    split, window = SplitSpec(), WindowSpec()
    assert (split.name, split.folds, split.fold, split.seed) == ("stratified", 5, 1, 123456789)
    assert (window.seconds, window.overlap, window.clip_seconds) == (3.0, 0.5, 30.0)


def test_contaminated_has_its_own_folds_and_seed_and_must_be_meant() -> None:
    split = SplitSpec(name="contaminated", i_know_this_leaks=True)
    assert (split.folds, split.seed, split.leaks) == (3, 12345, True)
    assert not SplitSpec().leaks
    with pytest.raises(DataError, match="i_know_this_leaks: true"):
        read_spec(SplitSpec, {"name": "contaminated"}, "data.split")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"name": "stratifid"}, r"data.split.name: one of .*did you mean 'stratified'"),
        ({"fodls": 3}, r"data.split.fodls: a known key, got 'fodls' \(did you mean 'folds'"),
        ({"folds": 1}, "at least 2 folds"),
        ({"folds": 3, "fold": 4}, "fold from 1 to folds"),
        ({"fold": 0}, "data.split.fold: .*got 0"),
        ({"test": 1.0}, "data.split.test: .*less than 1"),
        ({"folds": "5"}, "data.split.folds: .*got '5'"),
        ({"name": "fault-filtered", "test": 0.1}, "no test with fault-filtered"),
        ({"file": "x.csv"}, "only with name: file"),
        ({"group_pattern": "(a"}, "a regular expression"),
        ({"group_pattern": "a"}, "exactly one"),
    ],
)
def test_faulty_settings_are_one_line(given: dict[str, object], says: str) -> None:
    with pytest.raises(DataError, match=says) as error:
        read_spec(SplitSpec, given, "data.split")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("given", [{"overlap": 1.0}, {"seconds": 0}, {"clip_seconds": -1.0}])
def test_faulty_windows(given: dict[str, object]) -> None:
    with pytest.raises(DataError, match="data.window."):
        read_spec(WindowSpec, given, "data.window")


def test_what_is_written_reads_back_the_same() -> None:
    for split in (SplitSpec(), SplitSpec(name="fault-filtered"), SplitSpec(test=0.2, seed=1)):
        assert SplitSpec.model_validate(split.model_dump(mode="json")) == split
        assert SplitSpec.model_validate_json(split.model_dump_json()) == split
