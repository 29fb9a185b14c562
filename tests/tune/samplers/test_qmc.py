"""Sobol points cover both halves of every axis equally often."""

from collections.abc import Callable

from genretune.tune.samplers.qmc import Sobol
from genretune.tune.space.space import Space


def test_points_are_balanced_and_can_be_asked_in_any_order(space: Callable[..., Space]) -> None:
    qmc = space("sampler={type: qmc}")
    sampler = Sobol(qmc)
    points = [sampler.point(i) for i in range(32)]
    assert all(sum(p[axis] < 0.5 for p in points) == 16 for axis in range(len(points[0])))
    assert [Sobol(qmc).point(i) for i in (31, 7)] == [points[31], points[7]]
    assert Sobol(space("sampler={type: qmc}", "seed=8")).point(0) != points[0]
