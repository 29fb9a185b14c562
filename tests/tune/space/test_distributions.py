"""Distributions map [0, 1) to values with the right probabilities, both bounds included."""

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
    distribution = parse_distribution(raw, (), problems)
    problems.raise_if_any()
    assert distribution is not None
    return distribution


@pytest.mark.parametrize(
    ("raw", "values"),
    [
        ({"distribution": "quniform", "min": 0, "max": 0.5, "q": 0.25}, [0, 0.25, 0.5]),
        ({"distribution": "randint", "min": 3, "max": 5}, [3, 4, 5]),
        ({"distribution": "qrandint", "min": 8, "max": 24, "q": 8}, [8, 16, 24]),
        ({"distribution": "int_uniform", "min": 3, "max": 5}, [3, 4, 5]),
    ],
)  # fmt: skip
def test_lattices_are_uniform_and_exact(raw: dict[str, object], values: list[float]) -> None:
    kind = make(**raw)
    counts = Counter(kind.from_unit(unit) for unit in UNITS)
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
    counts = Counter(kind.from_unit(unit) for unit in UNITS)
    assert kind.from_unit(0.0) == 2 and kind.from_unit(LAST) == 64
    assert counts[2] > 5 * counts[64] > 0
    assert all(kind.contains(value) for value in counts)


def test_continuous_ranges_keep_their_bounds() -> None:
    for name in ("uniform", "loguniform", "log_uniform_values"):
        kind = make(distribution=name, min=1e-5, max=1e-1)
        assert kind.from_unit(0.0) == 1e-5
        assert math.isclose(float(kind.from_unit(LAST)), 1e-1)
        assert kind.from_unit(LAST) <= 1e-1
        assert kind.size() is None
    assert math.isclose(
        float(make(distribution="loguniform", min=1e-4, max=1).from_unit(0.5)), 1e-2
    )


def test_zero_has_its_probability() -> None:
    kind = make(distribution="loguniform", min=1e-6, max=1e-2, zero=0.15)
    drawn = [kind.from_unit(unit) for unit in UNITS]
    assert sum(value == 0 for value in drawn) == 900
    assert min(value for value in drawn if value > 0) < 1.1e-6
    assert kind.contains(0.0) and not kind.contains(1e-7)
    counted = make(distribution="randint", min=2, max=3, zero=0.5)
    assert [counted.nth(i) for i in range(counted.size() or 0)] == [0, 2, 3]


def test_normals_have_mean_and_deviation() -> None:
    kind = make(distribution="normal", mean=3, sd=2)
    assert kind.from_unit(0.5) == 3
    assert math.isclose(kind.from_unit(0.9), NormalDist(3, 2).inv_cdf(0.9))
    assert math.isfinite(kind.from_unit(0.0)) and math.isfinite(kind.from_unit(LAST))
    stepped = make(distribution="qrandn", mean=0, sd=1, q=0.25)
    assert {stepped.from_unit(unit) * 4 % 1 for unit in UNITS} == {0}


def test_all_names_of_ray_tune_and_all_aliases_are_read() -> None:
    for name in (*RANGES, *(alias for alias, known in ALIASES.items() if known in RANGES)):
        q = {"q": 1} if RANGES[ALIASES.get(name, name)].quantised else {}
        assert make(distribution=name, min=1, max=5, **q).as_json()["max"] == 5
    for name in NORMALS:
        assert make(distribution=name, mean=1, sd=5, **({"q": 1} if name[0] == "q" else {}))


def test_values_distinguish_types() -> None:
    values = Values((1, 1.0, True, None, "1", [1]))
    assert [values.index_of(value) for value in values.values] == [0, 1, 2, 3, 4, 5]
    assert values.index_of(2) is None
    assert Counter(values.index_of(values.from_unit(unit)) for unit in UNITS)[3] == 1000
    assert Values(([1], [True], [1.0])).index_of([1.0]) == 2


def test_a_step_that_divides_up_to_rounding_reaches_both_ends() -> None:
    for q in (0.33333333334, 0.33333333333):
        thirds = make(distribution="quniform", min=0, max=1, q=q)
        assert thirds.size() == 4 and thirds.from_unit(0.0) == 0.0
        last = thirds.from_unit(LAST)
        assert 0.99999 < float(str(last)) <= 1.0 and thirds.contains(last)


def test_canonical_values_are_what_a_sampler_would_draw() -> None:
    """1 and 1.0 in a file are one configuration."""
    wide = make(distribution="uniform", min=0, max=2)
    stepped = make(distribution="quniform", min=0, max=2, q=0.1)
    counted = make(distribution="randint", min=1, max=2, zero=0.5)
    normal = make(distribution="randn", mean=0, sd=1)
    found = [
        wide.canonical(1),
        stepped.canonical(1),
        stepped.canonical(0.1 + 0.2),
        counted.canonical(0),
        normal.canonical(1),
    ]
    assert [repr(value) for value in found] == ["1.0", "1.0", "0.3", "0", "1.0"]


def test_normals_contain_what_they_can_draw() -> None:
    quarters = make(distribution="qrandn", mean=0, sd=1, q=0.25)
    assert quarters.contains(-0.5) and not quarters.contains(0.3)
    assert not quarters.contains(math.inf)
    assert not make(distribution="randn", mean=0, sd=1).contains(math.nan)


def test_a_continuous_range_has_no_lattice() -> None:
    kind = Range("uniform", 0.0, 1.0)
    for call in (kind.lattice_size, kind.widened_bounds, lambda: kind.nearest_step(0.5)):
        with pytest.raises(TypeError, match="uniform: must have a step, got a continuous range"):
            call()


def test_large_integers_are_exact() -> None:
    low = 2**53 + 1  # the first integer that no float holds
    kind = make(distribution="randint", min=low, max=low + 2)
    assert isinstance(kind, Range)
    assert kind.size() == 3
    assert [kind.nth(index) for index in range(3)] == [low, low + 1, low + 2]
    assert kind.from_unit(0.0) == low and kind.from_unit(LAST) == low + 2
    assert kind.canonical(low + 1) == low + 1 and not kind.contains(low + 3)
    wide = make(distribution="qrandint", min=0, max=3 * 10**20, q=3)
    assert isinstance(wide, Range)
    assert wide.size() == 10**20 + 1
    assert wide.canonical(3 * 10**20 - 3) == 3 * 10**20 - 3
