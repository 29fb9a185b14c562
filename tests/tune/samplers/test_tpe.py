"""Errors of the TPE sampler; its suggestions are tested with the other samplers."""

from collections.abc import Callable

import pytest

from genretune.tune.samplers.history import Observation
from genretune.tune.samplers.sampler import build_sampler
from genretune.tune.samplers.tpe import Tpe, _add_param
from genretune.tune.space.distributions import Range, Values
from genretune.tune.space.problems import SpaceError
from genretune.tune.space.space import Space
from genretune.tune.space.tree import Dimension

Spaces = Callable[..., Space]


@pytest.mark.parametrize(
    ("dimension", "value", "message"),
    [
        (Dimension("a", Values((1, 2)), 0), 3, "a: must be one of 2 options, got 3"),
        (Dimension("b", None, 2), "x", "b: must be one of 2 options, got 'x'"),
        (Dimension("c", Range("uniform", 0.0, 1.0), 0), None, "c: must be a number, got None"),
    ],
)
def test_a_value_outside_its_dimension_is_refused(
    dimension: Dimension, value: object, message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        _add_param(dimension, value, {}, {})


def test_a_configuration_of_another_space_is_refused(small: Spaces) -> None:
    space = small("sampler={type: tpe, n_startup: 1}")
    foreign = [Observation({"a": 3, "b.name": None}, "value", 0.5)]
    with pytest.raises(SpaceError, match="a: must be in the search space"):
        build_sampler(space).configuration(1, 0, foreign)


def test_the_space_must_name_tpe(small: Spaces) -> None:
    with pytest.raises(TypeError, match="sampler.type: must be tpe, got grid"):
        Tpe(small())
