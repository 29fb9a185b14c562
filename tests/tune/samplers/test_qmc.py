"""Sobol points fill every half of every axis evenly."""

from collections.abc import Callable

from genretune.tune.samplers import qmc
from genretune.tune.space.space import Space


def test_points_are_balanced_and_random_access(space: Callable[..., Space]) -> None:
    given = space("sampler={type: qmc}")
    point = qmc.points(given)
    found = [point(i) for i in range(32)]
    assert all(sum(p[axis] < 0.5 for p in found) == 16 for axis in range(len(found[0])))
    assert [qmc.points(given)(i) for i in (31, 7)] == [found[31], found[7]]
    assert qmc.points(space("sampler={type: qmc}", "seed=8"))(0) != found[0]
