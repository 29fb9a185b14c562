"""The version of the GPU's driver: from NVML, else from the kernel module, never unknown."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pynvml
import pytest

from genretune.tune.errors import RunFailure
from genretune.tune.reproducibility import gpu_facts
from genretune.tune.reproducibility.gpu_facts import driver_version

# as the proprietary and the open kernel module word it
KERNEL_MODULES = [
    "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.129.03  Thu Oct 19 18:56:32 UTC 2023\n"
    "GCC version:  gcc version 11.4.0 (Ubuntu 11.4.0-1ubuntu1~22.04)\n",
    "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  535.129.03  Release Build  "
    "(dvs-builder@U16-T02-35-3)  Thu Oct 19 18:56:32 UTC 2023\n",
]


@pytest.fixture(autouse=True)
def uncached() -> Iterator[None]:
    driver_version.cache_clear()
    yield
    driver_version.cache_clear()


@pytest.fixture
def without_nvml(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> NoReturn:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    monkeypatch.setattr(pynvml, "nvmlInit", missing)


@pytest.mark.parametrize("answer", ["570.86.10", b"570.86.10"])
def test_nvml_tells_it(answer: str | bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    monkeypatch.setattr(pynvml, "nvmlInit", lambda: calls.append("init"))
    monkeypatch.setattr(pynvml, "nvmlSystemGetDriverVersion", lambda: answer)
    monkeypatch.setattr(pynvml, "nvmlShutdown", lambda: calls.append("shutdown"))
    assert driver_version() == driver_version() == "570.86.10"
    assert calls == ["init", "shutdown"]


@pytest.mark.parametrize("text", KERNEL_MODULES)
def test_the_kernel_module_tells_it_where_there_is_no_nvml(
    text: str, without_nvml: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "version"
    file.write_text(text)
    monkeypatch.setattr(gpu_facts, "_PROC", file)
    assert driver_version() == "535.129.03"


def test_an_unknown_driver_is_a_failure_and_is_asked_for_again(
    without_nvml: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(gpu_facts, "_PROC", tmp_path / "version")
    with pytest.raises(RunFailure, match="GPU: its driver's version must be known, got none") as e:
        driver_version()
    assert "\n" not in str(e.value)
    (tmp_path / "version").write_text(KERNEL_MODULES[0])
    assert driver_version() == "535.129.03"


def test_the_kernel_module_tells_it_where_nvml_has_no_python_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)  # its import then raises ImportError
    file = tmp_path / "version"
    file.write_text(KERNEL_MODULES[0])
    monkeypatch.setattr(gpu_facts, "_PROC", file)
    assert driver_version() == "535.129.03"
