"""ASHA's verdicts against a plain implementation of the rule."""

from collections.abc import Callable

import pytest

from genretune.tune.space.space import Space
from genretune.tune.sweep.simulate import simulate
from genretune.tune.sweep.state_machine import StateMachine
from genretune.tune.sweep.sweep_rules import rules_from_space
from genretune.tune.sweep.synthetic_trials import SyntheticTrials

Spaces = Callable[..., Space]


def test_rungs_are_below_the_last_epoch(space: Spaces) -> None:
    asha = "early_terminate={type: asha, grace_period: 2, reduction_factor: 3, brackets: 2}"
    rules = rules_from_space(space(asha, "trial.epochs=18"))
    assert rules.rung_epochs == (2, 6)
    assert [rules.rungs(trial) for trial in range(3)] == [(2, 6), (6,), (2, 6)]
    assert rules_from_space(space("early_terminate={type: none}")).rung_epochs == ()


@pytest.mark.parametrize("factor", [2, 3])
@pytest.mark.parametrize("brackets", [1, 2])
@pytest.mark.parametrize("mode", ["max", "min"])
def test_verdicts_follow_the_definition(
    space: Spaces, factor: int, brackets: int, mode: str
) -> None:
    asha = f"early_terminate={{type: asha, reduction_factor: {factor}, brackets: {brackets}}}"
    name = "val_acc" if mode == "max" else "val_loss"
    given_space = space("trials=60", asha, f"metric={{name: {name}, mode: {mode}}}")
    state_machine = StateMachine(given_space)
    simulate(
        state_machine, SyntheticTrials(digits=1, failing=0.1, patience=0.1, not_finite=0.05), 8
    )
    rules = rules_from_space(given_space)
    sign = -1 if mode == "max" else 1
    judged = 0
    for trial in state_machine.state.trials:
        for rung in rules.rungs(trial.index):
            if trial.epochs < rung:
                continue
            rivals = [
                other
                for other in state_machine.state.trials[: trial.index + 1]
                if other.index % brackets == trial.index % brackets and other.epochs >= rung
            ]

            def key(one: object, rung: int = rung) -> tuple[float, int]:
                trial = state_machine.state.trials[int(str(one))]
                values = [v for v, _ in trial.reports[:rung] if v is not None]
                best = min((sign * v for v in values), default=float("inf"))
                return (best, trial.index)

            ranked = sorted((other.index for other in rivals), key=key)
            promoted = ranked[: max(1, len(ranked) // factor)]
            expected = "continue" if trial.index in promoted else "stop"
            assert trial.verdicts[rung].verdict == expected
            judged += 1
    assert judged > 60 / brackets


def test_arrival_order_is_the_classical_rule(space: Spaces) -> None:
    state_machine = StateMachine(space("early_terminate.order=arrival", "trials=3"))
    for trial in range(3):
        state_machine.next_segment(range(trial))
    assert state_machine.report(2, 1, 0.1, "c") == "continue"
    assert state_machine.report(0, 1, 0.9, "a") == "continue"
    assert state_machine.report(1, 1, 0.5, "b") == "stop"
