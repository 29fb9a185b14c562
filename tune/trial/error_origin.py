"""Whose an error is: the trial's, or possibly that of the process, the GPU or a neighbour on it."""

import torch

from genretune.tune.errors import RefusedEnvironment, RunFailure

# How torch names the libraries below it in the text of a plain RuntimeError.
_LIBRARIES = (
    "CUDA error",
    "CUDA driver error",
    "CUDNN_STATUS",
    "cuDNN error",
    "CUBLAS_STATUS",
    "CUSOLVER_STATUS",
    "CUFFT_",
    "NCCL",
    "no kernel image is available",
    "Found no NVIDIA driver",
    "No CUDA GPUs are available",
)


def may_be_infrastructure(error: BaseException, *, shares_device: bool) -> bool:
    """Return whether an error may have another cause than the trial.

    A bug of the model can raise these errors, too: whether it does is told by another process.

    Args:
        shares_device: whether other processes use the same GPU, so that running out of its memory
            may be their fault.
    """
    if isinstance(error, RunFailure | RefusedEnvironment | torch.AcceleratorError):
        return True
    if isinstance(error, torch.OutOfMemoryError):
        return shares_device
    return isinstance(error, RuntimeError) and any(name in str(error) for name in _LIBRARIES)
