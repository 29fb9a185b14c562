"""The comparison on LCBench's surrogate, without the surrogate."""

import json
import sys
from pathlib import Path

import pytest

from genretune.scripts.benchmarks import lcbench, search
from genretune.scripts.benchmarks.lcbench import figures, ours
from genretune.scripts.benchmarks.lcbench_curves import lcbench_space
from genretune.scripts.benchmarks.smac_alone import run_smac
from genretune.tune.errors import TuneError


class OneTask:
    """Curves that rise to the learning rate's unit; counts the epochs asked for."""

    name = "1"

    def __init__(self) -> None:
        self.epochs = 0

    def value(self, trial: int, parameters: dict[str, float], epoch: int) -> float:
        self.epochs += 1
        return parameters["optimizer.lr"] * epoch

    def seconds(self, trial: int, parameters: dict[str, float], epoch: int) -> float:
        return 1.0

    def end(self, trial: int, parameters: dict[str, float], epoch: int) -> None:
        return None

    def loss(self, trial: int, epoch: int, attempt: int) -> bool:
        return False


def test_a_contender_returns_its_best_value_at_each_budget_and_stops_there() -> None:
    task = OneTask()
    best = ours()(task, 0)  # type: ignore[arg-type]
    assert len(best) == len(lcbench.BUDGETS)
    assert best == sorted(best)
    last = lcbench.BUDGETS[-1]
    # the epochs that are running when the budget is spent still end
    assert last <= task.epochs < last + lcbench.WORKERS


def test_differences_are_paired_and_the_interval_is_over_tasks() -> None:
    base = [[[0.5], [0.75]], [[0.25], [0.125]]]  # their sums are exact
    better = [[[0.375], [0.625]], [[0.125], [0.0]]]
    one = figures(better, base)
    assert one["regret"] == [0.28125]
    # the same difference everywhere: no width
    assert one["ahead_of_random"] == one["low"] == one["high"] == [0.125]


def test_the_development_tasks_leave_eleven() -> None:
    assert len(set(lcbench.DEVELOPMENT)) == 23


def _surrogate(folder: Path) -> Path:
    for name in ("model.onnx", "encoding.json", "config_space.json"):
        (folder / name).write_text(json.dumps({}))
    return folder


@pytest.mark.parametrize("empty", [False, True])
def test_what_is_missing_is_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    empty: bool,
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    folder = tmp_path if empty else _surrogate(tmp_path)
    assert search.main([str(folder)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert ("model.onnx" if empty else "pip install onnxruntime") in line


SMAC = """#!{python}
import json, sys
setup = json.loads(sys.stdin.readline())
assert setup["parameters"]["model.layers"] == ["int", 1, 5, False], setup
for number in range(1, 10**6):
    rate = number / 10**4
    for epochs in (2, 6):  # the second goes on from the first
        asked = {{"parameters": {{"optimizer.lr": rate}}, "epochs": epochs}}
        print(json.dumps(asked), flush=True)
        cost = json.loads(sys.stdin.readline())
        assert cost == 1 - rate * epochs, cost
"""


def test_smac_asks_its_parent_and_trains_on_from_lower_fidelities(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(SMAC.format(python=sys.executable))
    python.chmod(0o755)
    task = OneTask()
    best = run_smac(python, lcbench_space(), 0, task, (5, 12, 60))
    # after 60 epochs ten configurations have 6 each
    assert task.epochs == 60
    rates = [number / 10**4 for number in (1, 2, 10)]
    assert best == [rates[0] * 5, rates[1] * 6, rates[2] * 6]


def test_an_environment_without_smac_is_named(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexit 1\n")
    python.chmod(0o755)
    with pytest.raises(TuneError, match="--smac: must be a Python with SMAC3, got"):
        run_smac(python, lcbench_space(), 0, OneTask(), (5,))
