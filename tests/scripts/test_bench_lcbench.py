"""The comparison on LCBench's surrogate, without the surrogate."""

import json
import sys
from pathlib import Path

import pytest

from genretune.scripts.benchmarks import lcbench, search
from genretune.scripts.benchmarks.lcbench import figures, ours


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
    base = [[[0.5], [0.7]], [[0.3], [0.1]]]
    better = [[[0.4], [0.6]], [[0.2], [0.0]]]
    one = figures(better, base)
    assert one["regret"] == pytest.approx([0.3])
    # the same difference everywhere: no width
    assert one["ahead_of_random"] == pytest.approx([0.1])
    assert one["low"] == pytest.approx([0.1])
    assert one["high"] == pytest.approx([0.1])


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
