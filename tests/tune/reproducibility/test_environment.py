"""The recorded environment: complete, with a machine class that is equal for equal bits."""

from types import SimpleNamespace

import pytest
import torch

from genretune.tune.errors import TuneError
from genretune.tune.reproducibility import environment as module
from genretune.tune.reproducibility import gpu_facts
from genretune.tune.reproducibility.code_digest import NUMERICS_FOLDERS, code_digest
from genretune.tune.reproducibility.environment import (
    differences,
    environment,
    machine_class,
    require_device,
)

EXPECTED = {
    *("machine_class", "python", "genretune", "torch", "torchaudio", "numpy", "scipy", "ray"),
    *("optuna", "pyarrow", "soundfile", "soxr", "safetensors", "os", "libc", "host", "cpu"),
    *("cpu_capability", "threads", "code", "git_commit", "git_dirty"),
}


def test_everything_that_a_replay_may_depend_on_is_recorded() -> None:
    recorded = environment("cpu", "strict")
    assert EXPECTED <= set(recorded)
    assert recorded["torch"] == torch.__version__ and recorded["threads"] >= 1
    assert recorded["machine_class"] == machine_class("cpu", "strict")
    assert recorded["code"] == code_digest(NUMERICS_FOLDERS) != code_digest()


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for a GPU: what torch and NVML would say of it."""
    properties = SimpleNamespace(name="NVIDIA L4", multi_processor_count=58)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: properties)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.backends.cudnn, "version", lambda: 91002)
    monkeypatch.setattr(gpu_facts, "driver_version", lambda: "570.1")


def test_the_machine_class_of_a_gpu_names_all_that_its_bits_depend_on(
    gpu: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    cpu = {"model name": "A CPU", "vendor_id": "AuthenticAMD", "flags": "fma sse avx2"}
    monkeypatch.setattr(module, "_cpu", lambda: cpu)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    whole = (
        "NVIDIA L4, 58 SMs, driver 570.1, CUDA 13.0, cuDNN 91002, "
        f"torch {torch.__version__}, host AuthenticAMD AVX2 [avx2 fma]"
    )
    recorded = environment("cuda", "strict")
    assert recorded["machine_class"] == machine_class("cuda", "strict") == whole
    facts = {"gpu": "NVIDIA L4", "sm_count": 58, "driver": "570.1", "gpu_share": 1.0}
    facts |= {"cuda": "13.0", "cudnn": 91002}
    assert facts.items() <= recorded.items()
    shared = environment("cuda", "strict", 0.25)
    assert shared["machine_class"] == whole.replace(", host", ", 0.25 of the GPU, host")
    assert shared["gpu_share"] == 0.25
    # MKL picks the filter bank's kernels by it
    cpu["flags"] += " avx512f"
    assert machine_class("cuda", "strict") == whole.replace("[avx2 fma]", "[avx2 fma avx512f]")


def test_a_cpu_has_no_share_of_a_gpu() -> None:
    assert environment("cpu", "strict", 0.25) == environment("cpu", "strict")
    assert "gpu_share" not in environment("cpu", "strict", 0.25)


def test_the_machine_class_of_a_cpu_is_as_in_old_records(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = {"model name": "A CPU", "vendor_id": "GenuineIntel", "flags": "fma avx2 amx_int8"}
    monkeypatch.setattr(module, "_cpu", lambda: cpu)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    expected = f"GenuineIntel AVX512 [avx2 fma amx_int8], torch {torch.__version__}"
    assert machine_class("cpu", "strict") == expected


def test_portable_is_one_machine_class_for_all_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    before = machine_class("cpu", "portable"), machine_class("cpu", "strict")
    monkeypatch.setattr(module, "_cpu", lambda: {"model name": "Other", "flags": "avx2 fma"})
    assert machine_class("cpu", "portable") == before[0]
    assert machine_class("cpu", "strict") != before[1]


def test_differences_omit_the_host() -> None:
    recorded = {"torch": "2.14.1", "host": "a", "ray": "1"}
    current = {"torch": "2.14.2", "host": "b", "ray": "1", "driver": "5"}
    assert differences(recorded, current) == ["torch: 2.14.1 -> 2.14.2", "driver: None -> 5"]


def test_differences_of_the_code_digest_are_shortened() -> None:
    recorded, current = {"code": "a" * 64}, {"code": "b" * 64}
    assert differences(recorded, current) == [f"code: {'a' * 12} -> {'b' * 12}"]
    assert differences({}, current) == [f"code: None -> {'b' * 12}"]


def test_a_missing_gpu_is_reported_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    require_device("cpu")
    for call in (lambda: require_device("cuda"), lambda: environment("cuda", "strict")):
        with pytest.raises(TuneError, match="device: cuda needs a GPU .*, got none here"):
            call()
