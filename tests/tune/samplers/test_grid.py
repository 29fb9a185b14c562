"""The order of the grid."""

from collections.abc import Callable

import pytest

from genretune.tune.samplers.grid import nth_configuration, shuffled
from genretune.tune.samplers.sampler import build_sampler
from genretune.tune.samplers.suggest import config_key
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


@pytest.mark.parametrize("count", [1, 2, 3, 6, 64, 1000])
def test_a_shuffled_grid_is_a_permutation(count: int) -> None:
    places = [shuffled(index, count, seed=1) for index in range(count)]
    assert sorted(places) == list(range(count))
    if count > 3:
        assert places != sorted(places)
        assert places != [shuffled(index, count, seed=2) for index in range(count)]


def test_a_shuffled_grid_needs_no_memory() -> None:
    places = {shuffled(index, 10**15, seed=1) for index in range(100)}
    assert len(places) == 100 and max(places) - min(places) > 10**14


def test_the_order_of_a_grid_is_a_setting(small: Callable[..., Space]) -> None:
    def configurations(*overrides: str) -> list[str]:
        space = small(*overrides, "trials=6")
        sampler = build_sampler(space)
        return [config_key(sampler.configuration(trial, 0, [])) for trial in range(6)]

    in_order = configurations("sampler={type: grid}")
    other = configurations("sampler={type: grid, order: shuffled}")
    assert other != in_order and sorted(other) == sorted(in_order)
