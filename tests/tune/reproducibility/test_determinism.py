"""Determinism levels: what a process must have been started with, and what a trial sets anew."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from genretune.tune.errors import TuneError
from genretune.tune.reproducibility import determinism
from genretune.tune.reproducibility.determinism_env import (
    ENVIRONMENT,
    MEMORY,
    differing,
    reexec_with_level,
)
from genretune.tune.training.resolve_config import trial_config

Tiny = Callable[..., dict[str, Any]]


def test_a_process_with_other_settings_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    determinism.apply("strict", threads=1, precision="fp32")
    monkeypatch.setenv("MKL_CBWR", "COMPATIBLE")
    with pytest.raises(TuneError, match="strict needs MKL_CBWR unset, got 'COMPATIBLE'"):
        determinism.apply("strict", threads=1, precision="fp32")
    monkeypatch.delenv("MKL_CBWR")
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    with pytest.raises(TuneError, match="needs CUBLAS_WORKSPACE_CONFIG = :4096:8, got None"):
        determinism.apply("strict", threads=1, precision="fp32")
    determinism.apply("off", threads=1, precision="fp32")
    with pytest.raises(TuneError, match="determinism: portable needs"):
        determinism.apply("portable", threads=1, precision="fp32")


def test_every_flag_is_set_whatever_was_left_behind() -> None:
    torch.use_deterministic_algorithms(False)
    torch.set_grad_enabled(False)
    torch.set_num_threads(2)
    torch.backends.cudnn.benchmark = True
    torch.set_float32_matmul_precision("medium")
    determinism.apply("strict", threads=1, precision="fp32")
    assert torch.are_deterministic_algorithms_enabled()
    assert torch.is_grad_enabled()
    assert torch.get_num_threads() == 1
    assert not torch.backends.cudnn.benchmark and torch.backends.cudnn.deterministic
    assert torch.get_float32_matmul_precision() == "highest"


def test_off_allows_what_is_fastest() -> None:
    try:
        determinism.apply("off", threads=1, precision="fp32")
        assert not torch.are_deterministic_algorithms_enabled()
        assert torch.backends.cudnn.benchmark
    finally:
        determinism.apply("strict", threads=1, precision="fp32")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"threads": 2}, "threads 1 and precision fp32, got cpu, 2, fp32"),
        ({"precision": "bf16"}, "threads 1 and precision fp32, got cpu, 1, bf16"),
        ({"optimizer": {"name": "RMSprop"}}, "Adam, AdamW and SGD only, got RMSprop"),
    ],
)
def test_portable_refuses_what_it_cannot_keep(
    tiny: Tiny, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(TuneError, match=f"determinism: portable .*{said}"):
        trial_config(tiny(determinism="portable", device="cpu", **changes))


def test_a_process_starts_anew_once(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[tuple[list[str], dict[str, str]]] = []
    monkeypatch.setattr(os, "execve", lambda _, command, new: started.append((command, new)))
    for name in MEMORY:
        monkeypatch.delenv(name, raising=False)
    reexec_with_level("portable", ["train", "x.yaml"])
    ((command, environment),) = started
    assert command[-2:] == ["train", "x.yaml"]
    for name, value in {**ENVIRONMENT["portable"], **MEMORY}.items():
        assert environment[name] == value
    monkeypatch.setattr(os, "environ", environment)
    reexec_with_level("portable", ["train", "x.yaml"])
    assert len(started) == 1 and not differing("portable")
    reexec_with_level("strict", [])
    assert not set(started[1][1]) & {k for k, v in ENVIRONMENT["strict"].items() if v is None}


def test_what_the_user_told_glibc_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[dict[str, str]] = []
    monkeypatch.setattr(os, "execve", lambda _, __, environment: started.append(environment))
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.arena_max=4")
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    reexec_with_level("strict", [])
    assert started[0]["GLIBC_TUNABLES"] == "glibc.malloc.arena_max=4"


FAULTS = """
import resource, sys, threading, torch
torch.set_num_threads(1)
def step():
    for _ in range(4):
        torch.ones(3 * 2**20).mul(2.0)
def count():
    step()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    step()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
thread = threading.Thread(target=count)
thread.start()
thread.join()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc")
def test_memory_is_kept_in_threads_too() -> None:
    def faults(**more: str) -> int:
        environment = {k: v for k, v in os.environ.items() if k not in MEMORY} | more
        command = [sys.executable, "-c", FAULTS]
        return int(json.loads(subprocess.check_output(command, env=environment)))

    assert faults(**MEMORY) < faults() / 20


def test_portable_trains_and_says_so(
    genretune: Callable[..., subprocess.CompletedProcess[str]],
    tiny: Tiny,
    corpus: Path,
    tmp_path: Path,
) -> None:
    file = tmp_path / "trial.json"
    file.write_text(json.dumps(tiny(epochs=1)))
    done = genretune("train", file, "determinism=portable", "--data", corpus, "--out", "p")
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "p" / "result.json").read_text())
    found = result["segments"][0]["environment"]
    assert found["machine_class"].startswith("portable ")
    assert found["cpu_capability"] == "AVX2"
    assert genretune("replay", tmp_path / "p" / "config.json").returncode == 0
