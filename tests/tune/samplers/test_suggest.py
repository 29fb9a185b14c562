"""Properties of all samplers: inside the space, functions of their arguments, no repeats."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence

import pytest

from genretune.tune.samplers.history import Observation
from genretune.tune.samplers.sampler import build_sampler
from genretune.tune.samplers.suggest import config_key, suggest
from genretune.tune.space.space import Space
from genretune.tune.space.tree import FlatConfig
from genretune.tune.sweep.simulate import simulate
from genretune.tune.sweep.state_machine import StateMachine
from genretune.tune.sweep.synthetic_trials import SyntheticTrials

Spaces = Callable[..., Space]
TYPES = ("random", "qmc", "tpe", "parzen")

_PROCESS = """
import json, sys
from genretune.tune.space.load import space_from_json
from genretune.tune.sweep.state_machine import StateMachine
from genretune.tune.sweep.synthetic_trials import SyntheticTrials
from genretune.tune.sweep.simulate import simulate

for saved in json.load(sys.stdin):
    trials = SyntheticTrials(digits=1, failing=0.1, clock_seed=int(sys.argv[1]))
    state_machine = StateMachine(space_from_json(saved))
    simulate(state_machine, trials, int(sys.argv[1]))
    rows = [[t.parameters, t.seed, t.status, t.reports] for t in state_machine.state.trials]
    print(json.dumps(rows))
"""


def history(space: Space, count: int) -> list[Observation]:
    sampler = build_sampler(space)
    return [
        Observation(
            sampler.configuration(i, 0, []),
            "worst" if i % 7 == 0 else "value",
            None if i % 7 == 0 else i / count,
        )
        for i in range(count)
    ]


@pytest.mark.parametrize("kind", TYPES)
def test_configurations_lie_in_the_space(space: Spaces, kind: str) -> None:
    given = space(f"sampler={{type: {kind}}}")
    sampler, known = build_sampler(given), history(given, 12)
    for i in range(40):
        parameters = sampler.configuration(i, 0, known)
        assert given.violations(parameters) == []
        decoded = given.decode(parameters)
        assert decoded.keys() <= {dimension.name for dimension in given.dimensions()}
        conditional = "feature[melspec].n_mels" in decoded
        assert conditional == (parameters["feature.name"] == "melspec")


@pytest.mark.parametrize("kind", TYPES)
def test_draws_depend_on_arguments_alone(space: Spaces, kind: str) -> None:
    given = space(f"sampler={{type: {kind}}}")
    known = history(given, 12)
    forward = [build_sampler(given).configuration(i, 0, known) for i in (3, 5, 4)]
    sampler = build_sampler(given)
    backward = [sampler.configuration(i, 0, known) for i in (5, 4, 3)]
    assert backward == [forward[1], forward[2], forward[0]]
    assert sampler.configuration(3, 1, known) != forward[0]
    other_seed = build_sampler(space(f"sampler={{type: {kind}}}", "seed=8"))
    assert other_seed.configuration(3, 0, known) != forward[0]


def test_processes_with_other_hash_seeds_and_workers_agree(space: Spaces, small: Spaces) -> None:
    spaces = [
        space(f"sampler={sampler}", f"early_terminate={early}", "trials=14").as_json()
        for sampler in (
            "{type: random}",
            "{type: qmc}",
            "{type: tpe, lag: 3, n_startup: 3}",
            "{type: parzen, lag: 3, n_startup: 3}",
        )
        for early in ("{type: none}", "{type: asha, reduction_factor: 2}")
    ]
    spaces.append(small("early_terminate={type: asha, reduction_factor: 2}").as_json())
    outputs = set()
    for hash_seed, workers in (("0", "1"), ("1", "2"), ("77", "8")):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        run = subprocess.run(
            [sys.executable, "-c", _PROCESS, workers],
            input=json.dumps(spaces),
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        outputs.add(run.stdout)
    assert len(outputs) == 1
    assert len(outputs.pop().splitlines()) == len(spaces)


def test_random_draws_are_independent_of_other_parameters(space: Spaces) -> None:
    """Removing a parameter leaves the others unchanged."""
    whole = build_sampler(space()).configuration(5, 0, [])
    fewer = build_sampler(space("trial.optimizer.lr=0.1")).configuration(5, 0, [])
    assert fewer == {key: value for key, value in whole.items() if key != "optimizer.lr"}


def test_a_finite_space_is_exhausted_without_repeats(small: Spaces) -> None:
    for kind in TYPES:
        state_machine = StateMachine(small(f"sampler={{type: {kind}}}", "trials=20"))
        result = simulate(state_machine, SyntheticTrials(), 3)
        assert result.reason == "finished"
        found = [config_key(trial.parameters) for trial in state_machine.state.trials]
        assert len(set(found)) == len(found) == 6
        assert state_machine.state.exhausted == 6


def test_the_last_configurations_are_found_by_enumeration(small: Spaces) -> None:
    tried: list[int] = []

    class Stubborn:
        def configuration(
            self, trial: int, attempt: int, history: Sequence[Observation]
        ) -> FlatConfig:
            tried.append(attempt)
            return {"a": 1, "b.name": None}

    seen = {config_key({"a": 1, "b.name": None})}
    found = set()
    for trial in range(1, 6):
        left = suggest(small(), Stubborn(), trial, [], seen)
        assert left is not None and config_key(left) not in seen
        seen.add(config_key(left))
        found.add(config_key(left))
    assert tried == [*range(101)] * 5 and len(found) == 5
    assert suggest(small(), Stubborn(), 6, [], seen) is None


def test_a_large_finite_space_is_searched_completely(small: Spaces) -> None:
    many = "parameters={a: {distribution: randint, min: 1, max: 300}}"
    state_machine = StateMachine(small(many, "sampler={type: random}", "trials=300"))
    simulate(state_machine, SyntheticTrials(), 3)
    assert {trial.parameters["a"] for trial in state_machine.state.trials} == set(range(1, 301))
    assert state_machine.state.exhausted is None


def test_options_that_overlap_are_tried_once(small: Spaces) -> None:
    overlapping = "parameters={a: {choice: [{k: 1}, {k: {values: [1, 2]}}]}}"
    state_machine = StateMachine(small(overlapping, "sampler={type: random}", "trials=3"))
    simulate(state_machine, SyntheticTrials(), 3)
    assert sorted(str(trial.parameters) for trial in state_machine.state.trials) == [
        "{'a.k': 1}",
        "{'a.k': 2}",
    ]


def test_start_with_comes_first_and_is_not_repeated(small: Spaces) -> None:
    first = "[{a: 2, b.name: null}, {a: 1, b.name: x, b.k: 4}]"
    state_machine = StateMachine(small(f"start_with={first}"))
    simulate(state_machine, SyntheticTrials(), 2)
    found = [trial.parameters for trial in state_machine.state.trials]
    assert found[:2] == [{"a": 2, "b.name": None}, {"a": 1, "b.name": "x", "b.k": 4}]
    assert len({config_key(parameters) for parameters in found}) == 6


@pytest.mark.parametrize("written", ["{a: 2, b: {name: null}}", "{a: 2, b: {name: x, k: 3}}"])
def test_start_with_may_be_nested(small: Spaces, written: str) -> None:
    state_machine = StateMachine(small(f"start_with=[{written}]"))
    simulate(state_machine, SyntheticTrials(), 2)
    found = [trial.parameters for trial in state_machine.state.trials]
    assert found[0].keys() <= {"a", "b.name", "b.k"}
    assert len({config_key(parameters) for parameters in found}) == len(found) == 6


def test_tpe_learns(space: Spaces) -> None:
    """Tpe prefers learning rates near those that did well."""
    given = space("sampler={type: tpe}")
    sampler, random = build_sampler(given), build_sampler(space())
    known = []
    for i in range(60):
        parameters = random.configuration(i, 0, [])
        lr = float(str(parameters["optimizer.lr"]))
        known.append(Observation(parameters, "value", -abs(lr - 1e-3) / lr))
    rates = [sampler.configuration(i, 0, known)["optimizer.lr"] for i in range(100, 120)]
    assert sum(3e-4 < float(str(rate)) < 3e-3 for rate in rates) >= 12  # by chance 5


def test_tpe_draws_at_random_until_n_startup(space: Spaces) -> None:
    given = space("sampler={type: tpe, n_startup: 10}")
    tpe, random = build_sampler(given), build_sampler(space())
    assert tpe.configuration(9, 0, history(given, 9)) == random.configuration(9, 0, [])
