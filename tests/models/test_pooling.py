from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from genretune.models.pooling import image_mean, max_pool, max_pool_by_slices, max_pool_on_cuda

FORMATS = [torch.contiguous_format, torch.channels_last]


@pytest.mark.parametrize("order", FORMATS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("size", [(2, 2), (7, 9), (16, 5), (5, 16)])
@pytest.mark.parametrize("geometry", [(2, 2, 0), (3, 2, 1)])
@pytest.mark.parametrize("formulation", [max_pool_by_slices, max_pool_on_cuda])
def test_every_formulation_is_bit_identical_to_max_pool2d(
    formulation: Callable[..., Tensor],
    order: torch.memory_format,
    dtype: torch.dtype,
    size: tuple[int, int],
    geometry: tuple[int, int, int],
    noise: Callable[..., Tensor],
) -> None:
    # Rounded, so that equal values are frequent: the first of them counts.
    x = noise(3, 8, *size).mul(2).round().to(dtype).contiguous(memory_format=order)
    x.requires_grad_()
    ours, theirs = formulation(x, *geometry), F.max_pool2d(x, *geometry)
    assert torch.equal(ours, theirs) and ours.is_contiguous(memory_format=order)
    # Small whole numbers in half precision: torch adds those in single precision and rounds once.
    upstream = noise(*ours.shape, seed=1)
    upstream = upstream if dtype is torch.float32 else upstream.mul(4).round().to(dtype)
    (mine,) = torch.autograd.grad(ours, x, upstream)
    (other,) = torch.autograd.grad(theirs, x, upstream)
    assert torch.equal(mine, other) and mine.is_contiguous(memory_format=order)


@pytest.mark.parametrize(
    ("geometry", "native"), [((2, 2, 0), True), ((2, 3, 1), True), ((3, 2, 1), False)]
)
def test_cuda_takes_torchs_own_pooling_where_patches_do_not_overlap(
    geometry: tuple[int, int, int], native: bool, noise: Callable[..., Tensor]
) -> None:
    x = noise(1, 2, 9, 9).requires_grad_()
    node = max_pool_on_cuda(x, *geometry).grad_fn
    assert node is not None
    assert (node.name() == "MaxPool2DWithIndicesBackward0") == native


def test_nan_propagates() -> None:
    x = torch.tensor([[[[1.0, float("nan")], [2.0, 3.0]]]])
    assert all(pool(x).isnan().all() for pool in (max_pool, max_pool_by_slices, max_pool_on_cuda))


@pytest.mark.parametrize("order", FORMATS)
def test_image_mean(order: torch.memory_format, noise: Callable[..., Tensor]) -> None:
    x = noise(3, 8, 5, 7).double().contiguous(memory_format=order).requires_grad_()
    mean = image_mean(x)
    torch.testing.assert_close(mean, x.mean((2, 3)), rtol=1e-14, atol=1e-15)
    mean.sum().backward()
    assert x.grad is not None
    assert x.grad.is_contiguous(memory_format=order)
    torch.testing.assert_close(x.grad, torch.full_like(x, 1 / 35))
