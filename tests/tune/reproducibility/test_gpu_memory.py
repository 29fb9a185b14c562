"""A process's share of a GPU, by stand-ins, and its peak memory."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from genretune.tune.errors import RunFailure
from genretune.tune.reproducibility import gpu_memory
from genretune.tune.reproducibility.gpu_memory import (
    empty_gpu_cache,
    limit_gpu_memory,
    peak_memory,
    reset_peak_memory,
)

MB = 1024 * 1024


def test_a_share_is_set_and_the_whole_gpu_resets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    shares: list[float] = []
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", shares.append)
    limit_gpu_memory(0.25)
    limit_gpu_memory(1.0)
    assert shares == [0.25, 1.0]
    for share in (0.0, -0.5, 2.0, float("nan")):
        with pytest.raises(RunFailure, match="share of a GPU: must be above 0 and at most 1"):
            limit_gpu_memory(share)
    assert shares == [0.25, 1.0]


def test_without_a_gpu_there_is_no_cache_to_empty() -> None:
    empty_gpu_cache()


FREED = """\
import mmap

from genretune.tune.reproducibility.gpu_memory import peak_memory, reset_peak_memory

reset_peak_memory("cpu")
now = peak_memory("cpu")["process_bytes"]
with mmap.mmap(-1, now) as block:  # the heap may have as much that is free
    block.write(b"x" * now)
print(now, *peak_memory("cpu").values())
"""


def test_the_peak_of_a_process_holds_what_it_has_freed() -> None:
    done = subprocess.run([sys.executable, "-c", FREED], capture_output=True, text=True, check=True)
    size, device_bytes, process_bytes = done.stdout.split()
    assert device_bytes == "None" and int(process_bytes) > int(size)


def test_the_peak_is_reset_where_the_system_lets_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(gpu_memory, "_CLEAR", tmp_path / "clear_refs")
    reset_peak_memory("cpu")
    assert (tmp_path / "clear_refs").read_text() == "5"
    monkeypatch.setattr(gpu_memory, "_CLEAR", tmp_path)  # cannot be written
    reset_peak_memory("cpu")


def test_the_peak_of_a_gpu_is_what_torch_reserved(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda: calls.append("reset"))
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda: 3 * MB)
    reset_peak_memory("cuda")
    assert calls == ["reset"]
    assert peak_memory("cuda")["device_bytes"] == 3 * MB
