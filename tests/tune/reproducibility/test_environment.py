"""The recorded environment: complete, with a machine class that is equal for equal bits."""

import pytest
import torch

from genretune.tune.errors import TuneError
from genretune.tune.reproducibility import environment as module
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


def test_the_machine_class_of_a_gpu_names_all_that_its_bits_depend_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Properties:
        name = "NVIDIA L4"
        multi_processor_count = 58

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: Properties)
    monkeypatch.setattr(module, "_driver_version", lambda: "570.1")
    monkeypatch.setattr(torch.backends.cudnn, "version", lambda: 91002)
    recorded = environment("cuda", "strict")
    assert {"gpu", "sm_count", "driver", "cuda", "cudnn"} <= set(recorded)
    assert recorded["machine_class"].startswith("NVIDIA L4, 58 SMs, driver 570.1, CUDA ")


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
