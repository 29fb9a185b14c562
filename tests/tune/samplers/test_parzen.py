"""What the Parzen sampler learns from, and what it makes of it."""

from collections.abc import Callable, Sequence

import pytest

from genretune.tune.samplers.history import Observation
from genretune.tune.samplers.parzen import Parzen, split
from genretune.tune.samplers.random_search import draw
from genretune.tune.samplers.suggest import config_key, suggest
from genretune.tune.space.space import Space

Spaces = Callable[..., Space]
NUMBERS = (
    "parameters={x: {distribution: uniform, min: 0, max: 1}, "
    "kind: {choice: [{name: plain}, {name: deep, depth: {distribution: uniform, min: 0, max: 1}}]}}"
)


def value(epoch: int, reached: float) -> Observation:
    return Observation({}, "value", reached, epoch)


def test_a_deeper_rung_ranks_above_any_value_at_a_lower_one() -> None:
    history = [value(2, 0.9), value(6, 0.3), value(6, 0.4), value(2, 0.8), value(2, 0.9)]
    assert split(history, "max") == ([2, 1], [0, 4, 3])
    assert split(history, "min") == ([1, 2], [3, 0, 4])


def test_diverged_trials_are_never_good_and_pending_ones_are_in_neither_group() -> None:
    diverged = [Observation({}, "worst")] * 20
    assert split(diverged, "max") == ([], list(range(20)))
    history = [*diverged, value(2, 0.1), Observation({}), Observation({}, "none")]
    assert split(history, "max") == ([20], list(range(20)))


@pytest.mark.parametrize("mode", ["max", "min"])
def test_it_finds_what_the_good_trials_have_in_common(space: Spaces, mode: str) -> None:
    metric = "val_acc" if mode == "max" else "val_loss"
    given = space(NUMBERS, "sampler={type: parzen}", f"metric={{name: {metric}, mode: {mode}}}")
    sign = 1 if mode == "max" else -1
    history = []
    for trial in range(100):
        parameters = draw(given, trial, 0)
        x = parameters["x"]
        assert isinstance(x, float)
        good = x + (parameters["kind.name"] == "deep")
        history.append(Observation(parameters, "value", sign * good, 2))
    sampler = Parzen(given)
    found = [sampler.configuration(trial, 0, history) for trial in range(100, 300)]
    random = [draw(given, trial, 0) for trial in range(100, 300)]
    assert mean_x(found) > mean_x(random) + 0.1
    assert deep(found) > deep(random) + 30
    # half of the trials are random
    assert 70 <= sum(one == other for one, other in zip(found, random, strict=True)) <= 130


def test_it_is_random_until_enough_values_are_known(space: Spaces) -> None:
    given = space(NUMBERS, "sampler={type: parzen, n_startup: 5}")
    known = [Observation(draw(given, trial, 0), "value", 0.1 * trial, 2) for trial in range(5)]
    sampler = Parzen(given)
    first = [sampler.configuration(trial, 0, known[:4]) for trial in range(5, 25)]
    assert first == [draw(given, trial, 0) for trial in range(5, 25)]
    assert [sampler.configuration(trial, 0, known) for trial in range(5, 25)] != first


def test_rows_that_are_kept_change_nothing(space: Spaces) -> None:
    given = space("sampler={type: parzen, n_startup: 3}")
    history = [Observation(draw(given, i, 0), "value", 0.01 * i, 1 + i % 2) for i in range(40)]
    other = [Observation(draw(given, i, 1), "value", 0.02 * i, 1 + i % 3) for i in range(30)]
    kept = Parzen(given)
    for known in (history[:20], history, other, history[:30]):
        for trial in range(40, 52):
            fresh = Parzen(given).configuration(trial, 0, known)
            assert kept.configuration(trial, 0, known) == fresh


def test_a_finite_space_is_left_for_neighbours_of_what_was_fitted(space: Spaces) -> None:
    grid = (
        "parameters={a: {distribution: randint, min: 1, max: 12}, "
        "b: {distribution: randint, min: 1, max: 12}}"
    )
    given = space(grid, "sampler={type: parzen, n_startup: 4}")
    sampler, history, seen = Parzen(given), list[Observation](), set[str]()
    for trial in range(60):
        parameters = suggest(given, sampler, trial, history, seen)
        assert parameters is not None and config_key(parameters) not in seen
        seen.add(config_key(parameters))
        a, b = parameters["a"], parameters["b"]
        assert isinstance(a, int) and isinstance(b, int)
        history.append(Observation(parameters, "value", float(a + b), 1))
        kept = suggest(
            given, Parzen(given), trial, history[:trial], seen - {config_key(parameters)}
        )
        assert kept == parameters, "what is kept from fit to redraw changes nothing"
    learned = [
        trial for trial in range(30, 60) if history[trial].parameters != draw(given, trial, 0)
    ]
    sums = [history[trial].value or 0.0 for trial in learned]
    # 13 is the mean of the space
    assert sum(sums) / len(sums) > 16


def mean_x(found: Sequence[dict[str, object]]) -> float:
    numbers = [one["x"] for one in found]
    return sum(number for number in numbers if isinstance(number, float)) / len(found)


def deep(found: Sequence[dict[str, object]]) -> int:
    return sum(one["kind.name"] == "deep" for one in found)
