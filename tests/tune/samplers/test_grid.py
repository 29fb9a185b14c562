"""The order of the grid."""

from collections.abc import Callable

import pytest

from genretune.tune.samplers.grid import nth_configuration
from genretune.tune.space.space import Space


def test_the_last_key_varies_fastest_and_options_come_in_order(small: Callable[..., Space]) -> None:
    space = small()
    assert space.size() == 6
    assert [nth_configuration(space, i) for i in range(6)] == [
        {"a": 1, "b.name": None},
        {"a": 1, "b.name": "x", "b.k": 3},
        {"a": 1, "b.name": "x", "b.k": 4},
        {"a": 2, "b.name": None},
        {"a": 2, "b.name": "x", "b.k": 3},
        {"a": 2, "b.name": "x", "b.k": 4},
    ]
    with pytest.raises(IndexError):
        nth_configuration(space, 6)
