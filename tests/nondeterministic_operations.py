"""The aten operations that have no deterministic implementation on CUDA.

Operations that have one are not here: the level ``strict`` makes torch take it.
"""

DOCUMENTED: dict[str, tuple[str, ...]] = {
    "torch.nn.AvgPool3d": ("avg_pool3d_backward",),
    "torch.nn.AdaptiveAvgPool2d": ("_adaptive_avg_pool2d_backward",),
    "torch.nn.AdaptiveAvgPool3d": ("_adaptive_avg_pool3d_backward",),
    "torch.nn.AdaptiveMaxPool2d": ("adaptive_max_pool2d_backward",),
    "torch.nn.FractionalMaxPool2d": ("fractional_max_pool2d_backward",),
    "torch.nn.FractionalMaxPool3d": ("fractional_max_pool3d_backward",),
    "torch.nn.MaxUnpool1d": ("max_unpool2d",),
    "torch.nn.MaxUnpool2d": ("max_unpool2d",),
    "torch.nn.MaxUnpool3d": ("max_unpool3d",),
    "torch.nn.functional.interpolate": (
        "upsample_linear1d_backward",
        "upsample_bilinear2d_backward",
        "upsample_bicubic2d_backward",
        "upsample_trilinear3d_backward",
        "_upsample_bilinear2d_aa_backward",
        "_upsample_bicubic2d_aa_backward",
    ),
    "torch.nn.ReflectionPad1d": ("reflection_pad1d_backward",),
    "torch.nn.ReflectionPad2d": ("reflection_pad2d_backward",),
    "torch.nn.ReflectionPad3d": ("reflection_pad3d_backward",),
    "torch.nn.NLLLoss": (
        "nll_loss_forward",
        "nll_loss_backward",
        "nll_loss2d_forward",
        "nll_loss2d_backward",
    ),
    "torch.nn.CTCLoss": ("_ctc_loss_backward",),
    "torch.nn.EmbeddingBag": ("_embedding_bag_backward", "_embedding_bag_dense_backward"),
    "torch.Tensor.put_": ("put", "put_"),
    "torch.histc": ("histc",),
    "torch.bincount": ("bincount",),
    "torch.median": ("median", "nanmedian"),
    "torch.nn.functional.grid_sample": ("grid_sampler_2d_backward", "grid_sampler_3d_backward"),
    "torch.Tensor.scatter_reduce": ("scatter_reduce", "scatter_reduce_"),
    "torch.Tensor.resize_": ("resize_",),
}
"""Operations under "will throw a RuntimeError" in the documentation of
``torch.use_deterministic_algorithms``, torch 2.14.1, and the aten operations that they are."""

UNDOCUMENTED: dict[str, str] = {
    "max_pool2d_with_indices_backward": "atomic additions, pytorch/pytorch#175411",
    "kthvalue": "indices of equal values; alerts in ATen/native/cuda/Sorting.cpp",
    "index_reduce": "atomic operations; alerts in ATen/native/cuda/Indexing.cu",
    "index_reduce_": "as index_reduce",
}
"""Operations that are not in that list, and where it is said that they are not deterministic."""

HARMLESS: dict[str, str] = {
    "nll_loss_forward": (
        "by reduction none, one thread writes the loss of each window; torch raises for the sums "
        "of nll_loss2d only (ATen/native/cuda/NLLLoss2d.cu)"
    ),
    "nll_loss_backward": "writes one value a window, at its class; nothing is added",
    "max_pool2d_with_indices_backward": (
        "used where patches do not overlap: each value gets one gradient at most "
        "(max_pool_on_cuda, tests/models/test_pooling.py)"
    ),
    "resize_": "of plain tensors; the list names quantized ones",
}
"""Operations of either list that are deterministic as we call them, and why."""

NONDETERMINISTIC = {name for names in DOCUMENTED.values() for name in names} | {*UNDOCUMENTED}


def nondeterministic(operations: set[str]) -> set[str]:
    """Return those of ``operations`` whose results are not deterministic on CUDA."""
    return operations & NONDETERMINISTIC - {*HARMLESS}
