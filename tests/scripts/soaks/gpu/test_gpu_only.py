"""Checks that need a GPU, with its answers replaced: what is judged and what is reported."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
import torch

from genretune.scripts.soaks.gpu import memory_parts, trial_tasks
from genretune.scripts.soaks.gpu.processes import Answer, Context
from genretune.scripts.soaks.gpu.record import Finding, Record
from genretune.scripts.soaks.gpu.runner import Part, run_part

GB = 2**30


class Neighbour:
    def answers(self) -> Iterator[Answer]:
        yield {"key": "held", "bytes": 70 * GB, "free": 6 * GB}


class Gpu:
    """Answers of a GPU on which memory changes the bits of trials without a cap, or of all."""

    def __init__(self, *, cap_holds: bool = True) -> None:
        self.filled, self.cap_holds = False, cap_holds

    def ask(
        self, context: Context, task: str, keys: Sequence[str], **request: Any
    ) -> dict[str, Answer]:
        if task == "out_of_memory":
            raised, whose, digests = keys
            verdict = {"passed": True, "detail": "torch.OutOfMemoryError"}
            trained = {"key": digests, "digest": "fresh", "detail": ""}
            return {k: {"key": k, **verdict} for k in (raised, whose)} | {digests: trained}
        if task == "fresh":
            return {key: {"key": key, "digest": "fresh", "detail": ""} for key in keys}
        assert task == "trials" and request["cases"] == "networks"
        capped = request["cap"] == 4 * GB
        digest = "capped" if capped and self.cap_holds else f"{capped} beside {self.filled}"
        return {key: {"key": key, "digest": digest, "detail": ""} for key in keys}

    @contextmanager
    def child(self, task: str, keys: Sequence[str], *, leave: int) -> Iterator[Neighbour]:
        assert task == "fill_gpu" and leave > 4 * GB
        self.filled = True
        yield Neighbour()
        self.filled = False


def memory(gpu: Gpu, monkeypatch: pytest.MonkeyPatch) -> dict[str, Finding]:
    context = Context("memory", "cuda", "full", Record(quiet=True))
    monkeypatch.setattr(memory_parts, "ask", gpu.ask)
    monkeypatch.setattr(context, "child", gpu.child)
    return {finding.check: finding for finding in memory_parts.memory(context)}


def test_a_neighbour_may_change_bits_without_a_cap_only(monkeypatch: pytest.MonkeyPatch) -> None:
    found = memory(Gpu(), monkeypatch)
    judged = [finding for finding in found.values() if finding.passed is not None]
    assert len(judged) == 2 * len(memory_parts.TRIALS) + len(memory_parts.OUT_OF_MEMORY)
    assert all(finding.passed for finding in judged)
    for trial in memory_parts.TRIALS:
        assert found[f"{trial}, no cap, neighbour"].measured == {"bits": "differs"}
    assert found["neighbour"].measured == {"bytes": 70 * GB, "free": 6 * GB}
    assert set(memory_parts.TRIALS) <= set(trial_tasks.network_cases("full", "cuda"))

    wrong = memory(Gpu(cap_holds=False), monkeypatch)
    failed = {check for check, finding in wrong.items() if finding.passed is False}
    assert failed == {f"{trial}, 4 GB, neighbour" for trial in memory_parts.TRIALS}


def test_what_a_full_gpu_lists_without_one_is_what_it_checks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with_gpu = set(memory(Gpu(), monkeypatch)) - {"neighbour"}
    record = Record()
    context = Context("memory", "cpu", "tiny", record)
    run_part(Part(memory_parts.memory, ""), context)
    assert {finding.check for finding in memory_parts.memory(context)} == with_gpu
    assert capsys.readouterr().out.count("needs a GPU") == len(with_gpu)


ON_GPU: Mapping[str, Any] = {"device": "cuda", "size": "tiny", "keys": ["whose", "next"]}


def test_a_device_side_assert_is_not_the_trials_own(monkeypatch: pytest.MonkeyPatch) -> None:
    error = torch.AcceleratorError("CUDA error: device-side assert triggered")

    def broken(request: Any, changes: Any) -> Answer:
        raise error

    monkeypatch.setattr(trial_tasks, "trained", broken)
    whose, after = trial_tasks.device_assert(ON_GPU)
    assert whose["passed"] and whose["detail"].startswith("perhaps infrastructure's: Accelerator")
    assert "raises AcceleratorError" in after["measured"]["next trial in the process"]

    error = IndexError("as if it were the model's")  # type: ignore[assignment]
    whose, _ = trial_tasks.device_assert(ON_GPU)
    assert not whose["passed"]


def test_running_out_of_memory_is_the_neighbours_on_a_shared_gpu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caps: list[int | None] = []

    def trained(request: Any, changes: Any) -> Answer:
        if caps[-1] is not None:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return {"digest": "fresh", "detail": ""}

    monkeypatch.setattr(trial_tasks, "trained", trained)
    monkeypatch.setattr(trial_tasks, "limit", caps.append)
    monkeypatch.setattr(trial_tasks, "empty_gpu_cache", lambda: None)
    request = {**ON_GPU, "keys": list(memory_parts.OUT_OF_MEMORY)}
    raised, whose, later = trial_tasks.out_of_memory(request)
    assert raised["passed"] and whose["passed"] and later["digest"] == "fresh"
    assert whose["detail"] == "shared: perhaps infrastructure's; alone: the trial's own"
    assert caps == [2**28, None]
