"""The best configurations of an earlier sweep, as the first trials of a new one."""

from pathlib import Path

import pytest

from genretune.tune.errors import TuneError
from genretune.tune.run.journal import Journal
from genretune.tune.run.start_from import start_from
from genretune.tune.samplers.sampler import build_sampler
from genretune.tune.samplers.suggest import suggest
from genretune.tune.space.load import space_from_text
from genretune.tune.space.space import Space
from genretune.tune.storage.run_dir import RunDir
from genretune.tune.sweep.leaderboard import leaderboard
from genretune.tune.sweep.simulate import simulate
from genretune.tune.sweep.state_machine import StateMachine
from genretune.tune.sweep.synthetic_trials import SyntheticTrials
from tests.spaces import SWEEP

SPACE = """
version: 1
name: earlier
seed: 7
trials: 6
metric: {name: val_clip_accuracy, mode: max}
early_terminate: {type: asha, grace_period: 1, reduction_factor: 2}
trial: {epochs: 4}
parameters:
  optimizer.lr: {distribution: loguniform, min: 1.0e-5, max: 1.0e-1}
  lr_scheduler:
    choice:
      - {name: null}
      - {name: LinearLR, end_factor: {distribution: uniform, min: 0.01, max: 0.5}}
"""
Earlier = tuple[Path, list[dict[str, object]]]


@pytest.fixture
def earlier(tmp_path: Path) -> Earlier:
    """The run directory of a finished sweep, and its configurations by rank."""
    space = space_from_text(SPACE, "earlier.yaml")
    run = RunDir(tmp_path / "earlier")
    run.create(SPACE, SWEEP | {"space": space.as_json()})
    state_machine = StateMachine(space)
    with Journal(run.journal) as journal:
        simulate(state_machine, SyntheticTrials(), 2, journal=journal.append)
    return run.path, [dict(row.parameters) for row in leaderboard(state_machine.state)]


def first_trials(text: str, overrides: list[str], count: int) -> list[dict[str, object]]:
    space: Space = space_from_text(text, "later.yaml", overrides)
    sampler = build_sampler(space)
    found = [suggest(space, sampler, trial, [], None) for trial in range(count)]
    return [one for one in found if one is not None]


def test_the_best_configurations_come_first(earlier: Earlier) -> None:
    path, ranked = earlier
    override, notes = start_from(path, space_from_text(SPACE, "later.yaml"), 3)
    assert first_trials(SPACE, [override], 3) == ranked[:3]
    assert notes[0].startswith("the sweep starts with the configurations of trials ")
    assert notes[0].endswith(f" of {path}") and len(notes) == 1


def test_the_spaces_own_first_trials_stay_first(earlier: Earlier) -> None:
    path, ranked = earlier
    own = "start_with=[{optimizer.lr: 0.01, lr_scheduler.name: null}]"
    override, _ = start_from(path, space_from_text(SPACE, "later.yaml", [own]), 2)
    found = first_trials(SPACE, [own, override], 3)
    assert found == [{"optimizer.lr": 0.01, "lr_scheduler.name": None}, *ranked[:2]]


def test_another_space_takes_what_it_has_and_draws_the_rest(earlier: Earlier) -> None:
    path, ranked = earlier
    later = SPACE.replace(
        "  lr_scheduler:\n", "  model.reduction: {values: [2, 4, 8]}\n  lr_scheduler:\n"
    ).replace("max: 0.5}", "max: 0.0101}")
    override, notes = start_from(path, space_from_text(later, "later.yaml"), 6)
    found = first_trials(later, [override], 6)
    assert [one["optimizer.lr"] for one in found] == [one["optimizer.lr"] for one in ranked]
    assert {one["model.reduction"] for one in found} <= {2, 4, 8}
    narrow = sum(one["lr_scheduler.name"] is not None for one in ranked)
    assert len(notes) == 1 + narrow > 1
    assert all(note.endswith(" is taken without lr_scheduler") for note in notes[1:])


@pytest.mark.parametrize("top", [1, 6])
def test_a_sweep_that_shares_nothing_is_refused(earlier: Earlier, top: int) -> None:
    other = SPACE[: SPACE.index("parameters:")] + "parameters:\n  model.depth: {values: [1, 2]}\n"
    with pytest.raises(TuneError, match="--start-from: must have a trial with a value that fits"):
        start_from(earlier[0], space_from_text(other, "other.yaml"), top)


def test_a_folder_that_is_no_run_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TuneError):
        start_from(tmp_path, space_from_text(SPACE, "later.yaml"), 1)


def test_partial_first_trials_are_completed_at_random() -> None:
    partial = "start_with=[{lr_scheduler.end_factor: 0.25}, {optimizer.lr: 0.02}]"
    first, second, third = first_trials(SPACE, [partial], 3)
    assert first["lr_scheduler.name"] == "LinearLR" and first["lr_scheduler.end_factor"] == 0.25
    assert second["optimizer.lr"] == 0.02 and "lr_scheduler.name" in second
    # the same draws as without start_with, but for what is given
    drawn = first_trials(SPACE, [], 3)
    assert first["optimizer.lr"] == drawn[0]["optimizer.lr"]
    assert second == drawn[1] | {"optimizer.lr": 0.02}
    assert third == drawn[2]
    assert first_trials(SPACE, [partial], 3) == [first, second, third]
