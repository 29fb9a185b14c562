"""Batches of windows, bit for bit."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from genretune.data.batches import ResidentSamples, epoch_order, gather, labels, max_offsets
from genretune.data.errors import DataError
from genretune.data.windows import WindowSet


@pytest.fixture
def two(make_store):
    """Clips of 10 and 4 samples, counting up from 0 and from 100; windows of 6."""
    store = make_store(["a.00000", "b.00000"], length=[10, 4])
    return store, WindowSet(np.array([0, 0, 1]), np.array([0, 4, 0]))


def test_gather_is_exact_and_repeats_the_last_sample(two) -> None:
    store, windows = two
    x_BCT = gather(store, windows, torch.tensor([2, 1, 0]), length=6)
    assert x_BCT.dtype == torch.float32 and x_BCT.shape == (3, 1, 6)
    wanted = [[100, 101, 102, 103, 103, 103], [4, 5, 6, 7, 8, 9], [0, 1, 2, 3, 4, 5]]
    assert torch.equal(x_BCT[:, 0] * 32768, torch.tensor(wanted, dtype=torch.float32))


def test_offsets_move_the_start(two) -> None:
    store, windows = two
    x_BCT = gather(store, windows, np.array([0, 1]), length=6, offsets=np.array([2, 3]))
    assert (x_BCT[:, 0] * 32768).tolist() == [[2, 3, 4, 5, 6, 7], [7, 8, 9, 9, 9, 9]]
    with pytest.raises(DataError, match="inside its clip"):
        gather(store, windows, np.array([1]), length=6, offsets=np.array([6]))


def test_samples_on_a_device_give_the_same_bits_as_the_memory_map(make_store) -> None:
    store = make_store(["a.0", "b.0", "c.0"], length=[50, 9, 30])
    raw = np.random.RandomState(1).randint(-(2**15), 2**15, 50).astype(np.int16)
    raw[:2] = -(2**15), 2**15 - 1
    store.samples = lambda i: raw[: store.lengths[i]]  # type: ignore[method-assign]
    windows = WindowSet(np.array([0, 0, 0, 2, 2]), np.array([0, 20, 49, 0, 29]))
    sent: list[torch.Tensor] = []
    resident = ResidentSamples(store, [2, 0, 2], lambda tensor: sent.append(tensor) or tensor)  # type: ignore[func-returns-value]
    assert [(one.dtype, len(one)) for one in sent] == [(torch.int16, 80)]  # each clip once
    places = resident.places(windows)
    for rows, offsets in (([3, 0, 4, 1, 2], None), ([0, 3, 1, 0], [7, 0, 29, 49])):
        at = torch.tensor(rows)
        moved = None if offsets is None else torch.tensor(offsets)
        x_BCT = resident.gather(places[at], length=20, offsets=moved)
        assert x_BCT.dtype == torch.float32
        assert torch.equal(x_BCT, gather(store, windows, at, length=20, offsets=moved))


@pytest.mark.parametrize(("clip", "start"), [(0, 10), (0, -1), (1, 0)])
def test_windows_outside_the_samples_on_a_device(two, clip: int, start: int) -> None:
    store, _ = two
    resident = ResidentSamples(store, [0], lambda tensor: tensor)
    with pytest.raises(DataError, match="must start inside its clip"):
        resident.places(WindowSet(np.array([0, clip]), np.array([0, start])))


def test_max_offsets_keep_windows_inside_their_clips(two) -> None:
    store, windows = two
    assert max_offsets(store, windows, length=6, hop=3).tolist() == [2, 0, 0]


def test_labels_are_those_of_the_clips(two) -> None:
    store, windows = two
    assert torch.equal(labels(store, windows), torch.tensor([0, 0, 1]))


def test_full_scale_stays_within_one(make_store) -> None:
    store = make_store(["a.0", "b.0"], length=2)
    raw = np.array([-32768, 32767], dtype=np.int16)
    store.samples = lambda i: raw  # type: ignore[method-assign]
    x_BCT = gather(store, WindowSet(np.array([0]), np.array([0])), np.array([0]), length=2)
    assert x_BCT.flatten().tolist() == [-1.0, 32767 / 32768]


@settings(max_examples=50, deadline=None, derandomize=True)
@given(n=st.integers(0, 300), seed=st.integers(0, 2**63 - 1))
def test_epoch_order_is_a_permutation_and_a_function_of_the_seed(n: int, seed: int) -> None:
    before = torch.get_rng_state()
    order = epoch_order(n, seed)
    assert torch.equal(order, epoch_order(n, seed))
    assert torch.equal(order.sort().values, torch.arange(n))
    assert torch.equal(before, torch.get_rng_state())


def test_another_seed_gives_another_order() -> None:
    assert not torch.equal(epoch_order(100, 1), epoch_order(100, 2))
