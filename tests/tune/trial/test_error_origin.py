"""Errors by whose they may be."""

import pytest
import torch

from genretune.tune.errors import RefusedEnvironment
from genretune.tune.storage.atomic_io import StorageFailure
from genretune.tune.trial.error_origin import may_be_infrastructure


@pytest.mark.parametrize(
    "error",
    [
        torch.AcceleratorError("CUDA error: an illegal memory access was encountered"),
        RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate(handle)"),
        RuntimeError("NCCL communicator was aborted"),
        RuntimeError("No CUDA GPUs are available"),
        RefusedEnvironment("determinism: strict needs NVIDIA_TF32_OVERRIDE unset, got '0'"),
        StorageFailure("runs/a: must stay readable"),
    ],
)
def test_errors_of_the_gpu_and_the_process_may_be_infrastructures(error: Exception) -> None:
    assert may_be_infrastructure(error, shares_device=False)


@pytest.mark.parametrize(
    "error",
    [
        KeyError("a bug"),
        MemoryError(),
        RuntimeError("shape '[2]' is invalid for input of size 3"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
        ValueError("CUDA error: of a model's own making"),
    ],
)
def test_other_errors_are_the_trials(error: Exception) -> None:
    assert not may_be_infrastructure(error, shares_device=True)


def test_a_full_gpu_is_the_trials_own_unless_it_is_shared() -> None:
    full = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
    assert may_be_infrastructure(full, shares_device=True)
    assert not may_be_infrastructure(full, shares_device=False)
