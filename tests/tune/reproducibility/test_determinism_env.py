"""Environment of the determinism levels: re-execution of the process, and glibc's memory."""

import json
import os
import subprocess
import sys

import pytest

from genretune.tune.reproducibility.determinism_env import (
    ENVIRONMENT,
    MALLOC_ENVIRONMENT,
    mismatched_variables,
    reexec_with_level,
)


def test_a_process_is_replaced_once_by_one_with_the_environment_of_the_level(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: list[tuple[list[str], dict[str, str]]] = []
    monkeypatch.setattr(os, "execve", lambda _, command, new: started.append((command, new)))
    for name in MALLOC_ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    reexec_with_level("portable", ["train", "x.yaml"])
    ((command, environment),) = started
    assert command[-2:] == ["train", "x.yaml"]
    for name, value in {**ENVIRONMENT["portable"], **MALLOC_ENVIRONMENT}.items():
        assert environment[name] == value
    monkeypatch.setattr(os, "environ", environment)
    reexec_with_level("portable", ["train", "x.yaml"])
    assert len(started) == 1 and not mismatched_variables("portable")
    reexec_with_level("strict", [])
    assert not set(started[1][1]) & {k for k, v in ENVIRONMENT["strict"].items() if v is None}


def test_the_users_glibc_settings_take_precedence(monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_freed_memory_is_reused_in_threads_too() -> None:
    def faults(**more: str) -> int:
        environment = {k: v for k, v in os.environ.items() if k not in MALLOC_ENVIRONMENT} | more
        command = [sys.executable, "-c", FAULTS]
        return int(json.loads(subprocess.check_output(command, env=environment)))

    assert faults(**MALLOC_ENVIRONMENT) < faults() / 20
