"""Draws are rounded, and sweeps of the time before go on by the rules of their time."""

import math

import pytest

from genretune.tune.samplers.sampler import build_sampler
from genretune.tune.samplers.suggest import suggest
from genretune.tune.space.distributions import Range
from genretune.tune.space.load import changed_keys, space_from_json, space_from_text
from genretune.tune.space.problems import SpaceError
from genretune.tune.space.sampling_rules import CURRENT, FIRST
from genretune.tune.space.space import Space

SPACE = """version: 1
name: old
seed: 7
trials: 9
metric: {name: val_loss, mode: min}
trial: {epochs: 4}
parameters:
  optimizer.lr: {distribution: loguniform, min: 1.0e-5, max: 1.0e-1}
  optimizer.weight_decay: {distribution: loguniform, min: 1.0e-6, max: 1.0e-2, zero: 0.3}
  a: {distribution: uniform, min: 0.1, max: 0.9}
  b: {distribution: randn, mean: 1.0, sd: 0.5}
  c: {distribution: qloguniform, min: 0.1, max: 0.9, q: 0.1}
"""
# drawn by the code before draws were rounded
BEFORE = {
    "random": [
        (2.839468234069493e-4, 0.0, 0.5472747301025731, 1.321597908855292, 0.4),
        (0.0013700095558747726, 1.5856418825797405e-6, 0.8712803689774553, 0.8809278505558615, 0.2),
    ],
    "qmc": [
        (1.6827713746637052e-3, 2.759626710418874e-4, 0.42541567981243134, 0.6273645324315562, 0.7),
        (3.4690890750469487e-4, 0.0, 0.7041243836283684, 1.5496822199795215, 0.2),
    ],
}


def drawn(space: Space) -> list[list[object]]:
    sampler = build_sampler(space)
    found = [suggest(space, sampler, trial, [], None) for trial in range(2)]
    return [list(config.values()) for config in found if config is not None]


def of_its_time(space: Space) -> Space:
    """Return the space as a sweep.json of the time before holds it."""
    saved = space.as_json()
    del saved["sampling"]
    return space_from_json(saved)


@pytest.mark.parametrize("sampler", BEFORE)
def test_continuous_draws_have_eight_digits_and_lattices_are_as_before(sampler: str) -> None:
    space = space_from_text(SPACE, "x.yaml", [f"sampler={{type: {sampler}}}"])
    assert space.sampling == CURRENT
    expected = [[*(float(f"{x:.7e}") for x in row[:4]), row[4]] for row in BEFORE[sampler]]
    assert drawn(space) == expected
    assert drawn(space_from_json(space.as_json())) == expected


@pytest.mark.parametrize("sampler", BEFORE)
def test_a_sweep_without_recorded_rules_draws_what_it_drew(sampler: str) -> None:
    space = of_its_time(space_from_text(SPACE, "x.yaml", [f"sampler={{type: {sampler}}}"]))
    assert space.sampling == FIRST
    for found, row in zip(drawn(space), BEFORE[sampler], strict=True):
        assert (found[2], found[4]) == (row[2], row[4])
        # logarithms up to the last bits, which are the machine's: so draws are rounded now
        for place in (0, 1, 3):
            one = found[place]
            assert isinstance(one, float)
            assert math.isclose(one, row[place], rel_tol=1e-15)


def test_the_rules_are_no_change_of_a_space_file() -> None:
    space = space_from_text(SPACE, "x.yaml")
    assert changed_keys(of_its_time(space), space) == []


def test_rounding_does_not_leave_the_range() -> None:
    third = Range("uniform", 1 / 3, 2 / 3, digits=8)
    assert third.rounded(1 / 3) == 1 / 3 and third.rounded(2 / 3) == 2 / 3
    assert third.rounded(0.5) == 0.5
    log = Range("loguniform", 1e-5, 1e-1, log=True, digits=8)
    assert log.from_unit(0.0) == 1e-5 and log.from_unit(0.5) == 1e-3
    assert log.from_unit(1 - 2**-53) <= 1e-1


def test_values_and_start_with_are_not_rounded() -> None:
    text = SPACE + "start_with:\n  - {optimizer.lr: 0.00123456789, optimizer.weight_decay: 0,\n"
    text += "     a: 0.123456789012, b: 1.123456789012, c: 0.1, d: 0.123456789012}\n"
    text = text.replace("parameters:\n", "parameters:\n  d: {values: [0.123456789012]}\n")
    space = space_from_text(text, "x.yaml")
    first = suggest(space, build_sampler(space), 0, [], None)
    assert first is not None
    assert (first["optimizer.lr"], first["a"], first["b"]) == (
        0.00123456789,
        0.123456789012,
        1.123456789012,
    )
    second = suggest(space, build_sampler(space), 1, [], None)
    assert second is not None and second["d"] == 0.123456789012


@pytest.mark.parametrize("rules", [{"version": 2}, {"version": 2, "digits": 0}, "x", None, 3])
def test_rules_that_are_none_are_refused(rules: object) -> None:
    saved = space_from_text(SPACE, "x.yaml").as_json() | {"sampling": rules}
    with pytest.raises(SpaceError, match="sampling: must have a version and digits from 1 to 17"):
        space_from_json(saved)
