"""Exclusions by rule and by name, and the hint that lists every rule needed."""

import pytest

from genretune.data.duplicates.detection import Duplicates
from genretune.data.errors import DataError
from genretune.data.exclude import resolve_exclusions

NAMES = ["a.00000", "a.00001", "b.00000", "b.00001"]


@pytest.fixture
def store(make_store, monkeypatch):
    def make(twice: tuple[tuple[str, ...], ...] = (), **how):
        monkeypatch.setattr(
            "genretune.data.exclude.store_duplicates", lambda store: Duplicates(twice)
        )
        return make_store(NAMES, **how)

    return make


def test_rules_and_names(store) -> None:
    one = store((("a.00000", "a.00001"),), faults={"b.00001": "truncated"})
    assert resolve_exclusions(one, ["faults"]) == ("b.00001",)
    assert resolve_exclusions(one, ["faults", "duplicates"]) == ("a.00001", "b.00001")
    assert resolve_exclusions(one, ["b.00001"]) == ("b.00001",)
    assert resolve_exclusions(one, ["duplicates", "b.00001", "a.00000"]) == ("a.00000", "b.00001")
    assert resolve_exclusions(store(), []) == ()


def test_an_unusable_clip_is_an_error_with_a_hint(store) -> None:
    with pytest.raises(DataError, match=r"b.00001.wav \(NaN: injected\).*exclude: \[faults\]"):
        resolve_exclusions(store(faults={"b.00001": "NaN"}), [])


def test_the_hint_names_both_rules_if_both_are_needed(store) -> None:
    one = store((("a.00000", "a.00001"),), faults={"b.00000": "empty", "b.00001": "NaN"})
    with pytest.raises(DataError, match=r"and 1 more \(add data.exclude: \[faults, duplicates\]"):
        resolve_exclusions(one, [])


def test_an_unknown_rule(store) -> None:
    with pytest.raises(DataError, match="did you mean 'faults'"):
        resolve_exclusions(store(), ["fault"])
    with pytest.raises(DataError, match="did you mean 'a.00001'"):
        resolve_exclusions(store(), ["a.0001"])
