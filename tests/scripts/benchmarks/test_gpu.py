"""The GPU benchmark runs on the CPU at tiny sizes, where its figures mean nothing."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from genretune.scripts.benchmarks import plain_loop
from genretune.scripts.benchmarks.gpu import PARTS, facts
from genretune.scripts.benchmarks.gpu_step_times import StepTimes
from genretune.scripts.soaks.gpu.record import Finding, Record

HIDDEN = """\
import sys
names = "ray optuna pyarrow soundfile soxr sklearn scipy librosa psutil pynvml filelock"
names += " platformdirs safetensors tabulate rich typer ruamel"
sys.modules.update(dict.fromkeys(names.split()))
"""


@pytest.mark.integration
def test_every_part_measures_without_ray_arrow_and_decoders(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(HIDDEN)
    out = tmp_path / "bench.jsonl"
    code = "import sys; from genretune.scripts.benchmarks.gpu import main; main(sys.argv[1:])"
    done = subprocess.run(
        [sys.executable, "-c", code, "--device", "cpu", "--size", "tiny", "--out", str(out)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    first, *measured, summary, last = map(json.loads, done.stdout.splitlines())
    assert out.read_text() == done.stdout
    assert first["facts"]["torch"] and summary["summary"]["failed"] == 0
    assert {line["part"] for line in measured} == set(PARTS)
    assert all("measured" in line for line in measured)
    assert set(last) == {"name", "ratios", "ours", "plain"}
    assert {"cnn bf16, plain", "cnn bf16, workers", "2 trials to one"} <= set(last["ratios"])
    step = last["ours"]["step"]["cnn bf16"]
    for stage in ("gather", "feature", "masks", "network", "optimizer"):
        assert step[stage] > 0.0


def test_ratios_follow_from_a_record(capsys: pytest.CaptureFixture[str]) -> None:
    record = Record()
    rates = {
        ("speed", "plain, cnn plain"): 100.0,
        ("speed", "plain, cnn bf16"): 200.0,
        ("speed", "ours, cnn fp32"): 250.0,
        ("speed", "ours, cnn bf16"): 600.0,
        ("speed", "ours, resnet18 bf16"): 60.0,
        ("trials", "1 trial"): 600.0,
        ("trials", "4 trials"): 900.0,
    }
    for (part, name), rate in rates.items():
        record.add(part, Finding(name, measured={"windows_per_second": rate}), 0.0)
    found = facts(record)
    assert found["ratios"] == {
        "cnn fp32, plain": 2.5,
        "cnn fp32, bf16": 1.25,
        "cnn bf16, plain": 6.0,
        "cnn bf16, bf16": 3.0,
        "4 trials to one": 1.5,
    }
    assert found["plain"]["cnn bf16"] == {"windows_per_second": 200.0}
    assert set(found["ours"]) == set(PARTS)


def test_time_inside_another_stage_counts_there_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 1.0, 3.0, 5.0, 8.0, 10.0])
    monkeypatch.setattr(StepTimes, "_mark", lambda self: next(clock))
    times = StepTimes(torch.device("cpu"))
    masks = times.timed("masks", lambda: None)
    network = times.timed("network", masks)
    step = times.timed("other", network)
    step()
    ms = times.milliseconds()
    assert (ms["other"], ms["network"], ms["masks"]) == (3000.0, 5000.0, 2000.0)
    assert ms["step"] == 10_000.0


@pytest.mark.parametrize(
    ("build", "parameters"), [(plain_loop.network, 771_264), (plain_loop.resnet18, 11_175_370)]
)
def test_plain_networks_are_as_large_as_ours(build: Callable[[int], Any], parameters: int) -> None:
    assert sum(parameter.numel() for parameter in build(10).parameters()) == parameters
