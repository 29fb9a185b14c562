"""The plan of a sweep."""

from collections.abc import Callable

from genretune.tune.space.space import Space
from genretune.tune.sweep.plan import make_plan
from genretune.tune.sweep.simulate import simulate
from genretune.tune.sweep.state_machine import StateMachine
from genretune.tune.sweep.synthetic_trials import SyntheticTrials


def test_a_plan_has_sizes_rungs_and_work(space: Callable[..., Space]) -> None:
    plan = make_plan(space(), workers=4, first=3)
    assert (plan.trials, plan.parameters, plan.conditional, plan.size) == (20, 4, 1, None)
    assert [rung.epoch for rung in plan.rungs] == [1, 2, 4, 8]
    assert plan.rungs[0].trials == 20
    assert plan.rungs[1].trials < 14
    assert 1 <= plan.completed <= plan.rungs[-1].trials
    assert 40 < plan.epochs < plan.epochs_without_rungs == 200
    assert 0.3 < plan.utilisation <= 1


def test_a_finite_space_has_no_more_trials_than_configurations(space: Callable[..., Space]) -> None:
    two = "parameters={optimizer.lr: {values: [0.1, 0.2]}}"
    plan = make_plan(space(two, "early_terminate={type: none}"), workers=4)
    assert (plan.trials, plan.epochs, plan.epochs_without_rungs) == (2, 20, 20)


def test_values_in_a_list_are_conditional_only_inside_an_option(
    space: Callable[..., Space],
) -> None:
    drawn = "{values: [4, 8]}"
    listed = f"[{drawn}, {{p: {drawn}}}]"
    plan = make_plan(
        space(f"parameters={{a: {listed}, b: {{choice: [null, {listed}]}}}}"), workers=1
    )
    assert (plan.parameters, plan.conditional) == (5, 2)


def test_first_configurations_are_those_of_the_sweep(space: Callable[..., Space]) -> None:
    state_machine = StateMachine(space())
    simulate(state_machine, SyntheticTrials(), 2)
    plan = make_plan(space(), workers=2, first=3)
    assert plan.first == [trial.parameters for trial in state_machine.state.trials[:3]]


def test_only_configurations_within_the_lag_are_certain(space: Callable[..., Space]) -> None:
    plan = make_plan(space("sampler={type: tpe, lag: 2}"), workers=4, first=5)
    assert len(plan.first) == 2
    assert plan.lag == 2
    wide = make_plan(space("sampler={type: tpe, lag: 8}"), workers=4)
    assert plan.utilisation < wide.utilisation
