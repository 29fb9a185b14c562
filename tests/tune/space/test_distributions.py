"""Values for numbers in [0, 1): both bounds included, each value as likely as it should be."""

import math
from collections import Counter
from statistics import NormalDist

import pytest

from genretune.tune.space.distributions import Normal, Range, Values
from genretune.tune.space.problems import Problems
from genretune.tune.space.ranges import ALIASES, NORMALS, RANGES, parse_distribution

UNITS = [(i + 0.5) / 6000 for i in range(6000)]
LAST = 1 - 2**-53


def make(**raw: object) -> Range | Normal:
    problems = Problems({})
    found = parse_distribution(raw, (), problems)
    problems.raise_if_any()
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("raw", "values"),
    [
        ({"distribution": "quniform", "min": 0, "max": 0.5, "q": 0.25}, [0, 0.25, 0.5]),
        ({"distribution": "randint", "min": 3, "max": 5}, [3, 4, 5]),
        ({"distribution": "qrandint", "min": 8, "max": 24, "q": 8}, [8, 16, 24]),
        ({"distribution": "int_uniform", "min": 3, "max": 5}, [3, 4, 5]),
    ],
)  # fmt: skip
def test_lattices_are_even_and_exact(raw: dict[str, object], values: list[float]) -> None:
    kind = make(**raw)
    counts = Counter(kind.at(unit) for unit in UNITS)
    assert sorted(counts) == values
    assert set(counts.values()) == {6000 // len(values)}
    assert kind.size() == len(values)
    assert [kind.nth(i) for i in range(len(values))] == values
    assert {type(value) for value in counts} == {int if "int" in kind.name else float}


def test_steps_are_added_as_decimals() -> None:
    tenths = make(distribution="quniform", min=0, max=0.5, q=0.1)
    assert [tenths.nth(i) for i in range(6)] == [0, 0.1, 0.2, 0.3, 0.4, 0.5]


@pytest.mark.parametrize(
    ("name", "q"), [("lograndint", None), ("qlograndint", 2), ("qloguniform", 0.5)]
)
def test_logarithmic_lattices_favour_small_values(name: str, q: float | None) -> None:
    kind = make(distribution=name, min=2, max=64, **({} if q is None else {"q": q}))
    counts = Counter(kind.at(unit) for unit in UNITS)
    assert kind.at(0.0) == 2 and kind.at(LAST) == 64
    assert counts[2] > 5 * counts[64] > 0
    assert all(kind.holds(value) for value in counts)


def test_continuous_ranges_keep_their_bounds() -> None:
    for name in ("uniform", "loguniform", "log_uniform_values"):
        kind = make(distribution=name, min=1e-5, max=1e-1)
        assert kind.at(0.0) == 1e-5
        assert math.isclose(float(kind.at(LAST)), 1e-1)
        assert kind.at(LAST) <= 1e-1
        assert kind.size() is None
    assert math.isclose(float(make(distribution="loguniform", min=1e-4, max=1).at(0.5)), 1e-2)


def test_zero_has_its_probability() -> None:
    kind = make(distribution="loguniform", min=1e-6, max=1e-2, zero=0.15)
    drawn = [kind.at(unit) for unit in UNITS]
    assert sum(value == 0 for value in drawn) == 900
    assert min(value for value in drawn if value > 0) < 1.1e-6
    assert kind.holds(0.0) and not kind.holds(1e-7)
    counted = make(distribution="randint", min=2, max=3, zero=0.5)
    assert [counted.nth(i) for i in range(counted.size() or 0)] == [0, 2, 3]


def test_normals_have_mean_and_deviation() -> None:
    kind = make(distribution="normal", mean=3, sd=2)
    assert kind.at(0.5) == 3
    assert math.isclose(kind.at(0.9), NormalDist(3, 2).inv_cdf(0.9))
    assert math.isfinite(kind.at(0.0)) and math.isfinite(kind.at(LAST))
    stepped = make(distribution="qrandn", mean=0, sd=1, q=0.25)
    assert {stepped.at(unit) * 4 % 1 for unit in UNITS} == {0}


def test_all_names_of_ray_tune_and_all_aliases_are_read() -> None:
    for name in (*RANGES, *(alias for alias, known in ALIASES.items() if known in RANGES)):
        q = {"q": 1} if RANGES[ALIASES.get(name, name)].quantised else {}
        assert make(distribution=name, min=1, max=5, **q).as_json()["max"] == 5
    for name in NORMALS:
        assert make(distribution=name, mean=1, sd=5, **({"q": 1} if name[0] == "q" else {}))


def test_values_tell_types_apart() -> None:
    values = Values((1, 1.0, True, None, "1", [1]))
    assert [values.position(value) for value in values.values] == [0, 1, 2, 3, 4, 5]
    assert values.position(2) is None
    assert Counter(values.position(values.at(unit)) for unit in UNITS)[3] == 1000
    assert Values(([1], [True], [1.0])).position([1.0]) == 2


def test_a_step_that_divides_but_for_a_rounding_reaches_both_ends() -> None:
    for q in (0.33333333334, 0.33333333333):
        thirds = make(distribution="quniform", min=0, max=1, q=q)
        assert thirds.size() == 4 and thirds.at(0.0) == 0.0
        last = thirds.at(LAST)
        assert 0.99999 < float(str(last)) <= 1.0 and thirds.holds(last)


def test_a_value_of_its_own_is_what_it_would_give() -> None:
    """So that 1 and 1.0 in a file are one configuration."""
    wide = make(distribution="uniform", min=0, max=2)
    stepped = make(distribution="quniform", min=0, max=2, q=0.1)
    counted = make(distribution="randint", min=1, max=2, zero=0.5)
    normal = make(distribution="randn", mean=0, sd=1)
    found = [wide.own(1), stepped.own(1), stepped.own(0.1 + 0.2), counted.own(0), normal.own(1)]
    assert [repr(value) for value in found] == ["1.0", "1.0", "0.3", "0", "1.0"]


def test_normals_hold_what_they_could_give() -> None:
    quarters = make(distribution="qrandn", mean=0, sd=1, q=0.25)
    assert quarters.holds(-0.5) and not quarters.holds(0.3)
    assert not quarters.holds(math.inf)
    assert not make(distribution="randn", mean=0, sd=1).holds(math.nan)
