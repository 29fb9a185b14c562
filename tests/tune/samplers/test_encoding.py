"""Configurations as rows, and back."""

import math
from collections.abc import Callable

import numpy as np

from genretune.tune.samplers.encoding import Encoding
from genretune.tune.samplers.random_search import draw
from genretune.tune.space.space import Space

Spaces = Callable[..., Space]


def test_a_row_and_its_configuration_agree(space: Spaces) -> None:
    encoding, given = Encoding(space()), space()
    for trial in range(50):
        parameters = draw(given, trial, 0)
        row = encoding.encode(parameters)
        filled = np.where(np.isnan(row), 0.5, row)
        again = encoding.configuration(filled)
        assert np.array_equal(encoding.used(filled), row, equal_nan=True)
        assert again == parameters, "rounding undoes the way of a value through its unit"


def test_numbers_are_uniform_and_categories_have_the_probability_of_the_space(
    space: Spaces,
) -> None:
    given = space()
    encoding = Encoding(given)
    rows = np.array([encoding.encode(draw(given, trial, 0)) for trial in range(600)])
    for place, column in enumerate(encoding.columns):
        known = rows[~np.isnan(rows[:, place]), place]
        if not column.prior:
            assert 0 <= known.min() and known.max() <= 1
            assert abs(known.mean() - 0.5) < 0.09
            continue
        for category, probability in enumerate(column.prior):
            assert abs((known == category).mean() - probability) < 0.1
    # P(exactly 0) stands in the space as 0.3
    assert any(column.prior == (0.7, 0.3) for column in encoding.columns)


def test_a_range_with_zero_has_two_columns(space: Spaces) -> None:
    given = space(
        "parameters={decay: {distribution: uniform, min: 1, max: 3, zero: 0.4}, "
        "one: {distribution: uniform, min: 2, max: 2}}"
    )
    encoding = Encoding(given)
    assert encoding.encode({"decay": 0.0, "one": 2.0}).tolist()[::2] == [1.0, 0.5]
    assert math.isnan(encoding.encode({"decay": 0.0, "one": 2.0})[1])
    assert encoding.encode({"decay": 1.5, "one": 2.0}).tolist() == [0.0, 0.25, 0.5]
    zero = np.array([1.0, 0.25, 0.5])
    assert encoding.configuration(zero) == {"decay": 0.0, "one": 2.0}
    assert math.isnan(encoding.used(zero)[1])
