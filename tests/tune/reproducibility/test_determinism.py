"""Determinism levels: the environment that a process needs, and the flags that a trial sets."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from genretune.tune.errors import TuneError
from genretune.tune.reproducibility import determinism

Tiny = Callable[..., dict[str, Any]]


def test_a_process_with_another_environment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_every_flag_is_set_whatever_its_previous_value() -> None:
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


def test_off_allows_the_fastest_kernels() -> None:
    try:
        determinism.apply("off", threads=1, precision="fp32")
        assert not torch.are_deterministic_algorithms_enabled()
        assert torch.backends.cudnn.benchmark
    finally:
        determinism.apply("strict", threads=1, precision="fp32")


def test_portable_trains_records_its_machine_class_and_replays(
    genretune: Callable[..., subprocess.CompletedProcess[str]],
    tiny: Tiny,
    corpus: Path,
    tmp_path: Path,
) -> None:
    file = tmp_path / "trial.json"
    file.write_text(json.dumps(tiny(epochs=1)))
    completed = genretune("train", file, "determinism=portable", "--data", corpus, "--out", "p")
    assert completed.returncode == 0, completed.stderr
    result = json.loads((tmp_path / "p" / "result.json").read_text())
    environment = result["segments"][0]["environment"]
    assert environment["machine_class"].startswith("portable ")
    assert environment["cpu_capability"] == "AVX2"
    assert genretune("replay", tmp_path / "p" / "config.json").returncode == 0
