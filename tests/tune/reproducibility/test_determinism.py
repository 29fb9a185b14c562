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
from genretune.tune.reproducibility.determinism_env import reexec_with_level
from genretune.tune.reproducibility.literals import Precision

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


def test_sums_of_16_bit_products_are_not_reduced_in_16_bits() -> None:
    matmul = torch.backends.cuda.matmul
    matmul.allow_fp16_reduced_precision_reduction = True
    matmul.allow_bf16_reduced_precision_reduction = True
    matmul.allow_fp16_accumulation = True
    torch.backends.cuda.allow_fp16_bf16_reduction_math_sdp(True)
    determinism.apply("strict", threads=1, precision="bf16")
    assert not matmul.allow_fp16_reduced_precision_reduction
    assert not matmul.allow_bf16_reduced_precision_reduction
    assert not matmul.allow_fp16_accumulation
    assert not torch.backends.cuda.fp16_bf16_reduction_math_sdp_allowed()


@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16"])
def test_tf32_is_set_by_the_precision_alone(precision: Precision) -> None:
    try:
        determinism.apply("strict", threads=1, precision=precision)
        allowed = precision == "tf32"
        assert torch.backends.cuda.matmul.allow_tf32 == allowed
        assert torch.backends.cudnn.allow_tf32 == allowed
    finally:
        determinism.apply("strict", threads=1, precision="fp32")


def _fp32_precisions() -> list[str]:
    """Torch's newer settings of the arithmetic of float32, of everything that has one."""
    backends: Any = torch.backends
    cudnn, mkldnn = backends.cudnn, backends.mkldnn
    owners = (backends, backends.cuda.matmul, cudnn, cudnn.conv, cudnn.rnn)
    owners += (mkldnn, mkldnn.conv, mkldnn.rnn, mkldnn.matmul)
    return [owner.fp32_precision for owner in owners]


def test_what_a_plugin_set_in_newer_ways_does_not_stay() -> None:
    determinism.apply("strict", threads=1, precision="fp32")
    before = _fp32_precisions()
    assert not {"tf32", "bf16"} & set(before)
    backends: Any = torch.backends
    backends.fp32_precision = "tf32"
    backends.cudnn.conv.fp32_precision = "tf32"
    backends.mkldnn.conv.fp32_precision = "bf16"
    determinism.apply("strict", threads=1, precision="fp32")
    assert _fp32_precisions() == before


@pytest.mark.parametrize("name", ["NVIDIA_TF32_OVERRIDE", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE"])
@pytest.mark.parametrize("value", ["0", "1"])
def test_a_variable_that_overrides_the_precision_is_refused(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    message = f"^determinism: strict needs {name} unset, got '{value}' \\(unset {name} where"
    with pytest.raises(TuneError, match=message):
        determinism.apply("strict", threads=1, precision="fp32")
    with pytest.raises(TuneError, match=message):  # before anything is written
        reexec_with_level("strict", [])
    try:
        determinism.apply("off", threads=1, precision="fp32")
    finally:
        monkeypatch.delenv(name)
        determinism.apply("strict", threads=1, precision="fp32")


def test_off_allows_the_fastest_kernels() -> None:
    try:
        determinism.apply("off", threads=1, precision="fp32")
        assert torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction
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
