import copy
import pickle

import pytest
import torch
from torch import nn

from genretune.models import draws
from genretune.models.dropout import SeededDropout, seed_dropout
from genretune.models.errors import ModelError

RATES = [0.25, 0.5, 0.3]  # two that are multiples of 1/256, one that is not


def drop(x: torch.Tensor, rate: float, seed: int) -> torch.Tensor:
    layer = SeededDropout(rate)
    layer.seed = seed
    out: torch.Tensor = layer(x)
    return out


@pytest.mark.parametrize("rate", RATES)
def test_rate_and_scale(rate: float) -> None:
    out = drop(torch.ones(8, 16, 33, 17), rate, seed=1)
    kept = out[out != 0]
    assert abs(kept.numel() / out.numel() - (1 - rate)) < 0.01
    assert torch.equal(kept, torch.full_like(kept, 1 / (1 - rate)))


@pytest.mark.parametrize("rate", RATES)
def test_mask_is_a_function_of_the_seed(rate: float) -> None:
    x = torch.ones(4, 3, 5, 7)
    assert torch.equal(drop(x, rate, 5), drop(x, rate, 5))
    assert not torch.equal(drop(x, rate, 5), drop(x, rate, 6))


@pytest.mark.parametrize("rate", RATES)
def test_mask_is_independent_of_the_global_generator(rate: float) -> None:
    x = torch.ones(4, 3, 5, 7)
    before = drop(x, rate, 5)
    torch.rand(13)
    state = torch.get_rng_state()
    assert torch.equal(drop(x, rate, 5), before)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("shape", [(6, 3, 5, 7), (6, 13)])
def test_micro_batches_get_the_same_mask_as_the_batch(rate: float, shape: tuple[int, ...]) -> None:
    x = torch.ones(shape)
    layer = SeededDropout(rate)
    layer.seed = 9
    parts = torch.cat([layer(part) for part in x.split(4)])
    assert torch.equal(parts, drop(x, rate, 9))


@pytest.mark.parametrize("rate", RATES)
def test_mask_does_not_depend_on_the_memory_format(rate: float) -> None:
    x = torch.ones(4, 3, 5, 7)
    out = drop(x.to(memory_format=torch.channels_last), rate, 2)
    assert torch.equal(out, drop(x, rate, 2))
    assert out.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("rate", RATES)
def test_the_mask_is_drawn_on_the_device_of_its_input(
    monkeypatch: pytest.MonkeyPatch, rate: float
) -> None:
    asked: list[tuple[torch.device, int]] = []

    def generator(device: torch.device, seed: int) -> torch.Generator:
        asked.append((device, seed))
        return torch.Generator()

    monkeypatch.setattr(draws, "generator", generator)
    x = torch.ones(4, 3, 5, 7, device="meta")  # a tensor of another device would raise
    assert drop(x, rate, 3).device.type == "meta"
    assert asked == [(torch.device("meta"), 3)]


def test_setting_the_seed_restarts_the_stream() -> None:
    x = torch.ones(2, 40)
    layer = SeededDropout(0.5)
    layer.seed = 3
    first = layer(x)
    assert not torch.equal(layer(x), first)
    layer.seed = 3
    assert torch.equal(layer(x), first)


def test_bfloat16_stays_bfloat16() -> None:
    assert drop(torch.ones(2, 40, dtype=torch.bfloat16), 0.25, 1).dtype is torch.bfloat16


@pytest.mark.parametrize("rate", [None, 0.0])
def test_rate_zero_needs_no_seed(rate: float | None) -> None:
    x = torch.randn(2, 3, generator=torch.Generator().manual_seed(0))
    assert SeededDropout(rate)(x) is x


def test_evaluation_returns_the_input() -> None:
    x = torch.ones(2, 3)
    assert SeededDropout(0.5).eval()(x) is x


def test_training_without_a_seed_is_an_error() -> None:
    with pytest.raises(ModelError, match="seed must be set"):
        SeededDropout(0.5)(torch.ones(2, 3))


def test_seed_dropout_names_every_layer() -> None:
    model = nn.Sequential(SeededDropout(0.5), nn.ModuleDict({"inner": SeededDropout(0.1)}))
    names: list[str] = []
    seed_dropout(model, lambda name: names.append(name) or len(names))  # type: ignore[func-returns-value]
    assert names == ["0", "1.inner"]
    assert [m.seed for m in model.modules() if isinstance(m, SeededDropout)] == [1, 2]


def test_copies_and_pickles_draw_the_same() -> None:
    x = torch.ones(2, 40)
    layer = SeededDropout(0.5)
    layer.seed = 3
    first = layer(x)
    assert torch.equal(copy.deepcopy(layer)(x), first)
    assert torch.equal(pickle.loads(pickle.dumps(layer))(x), first)
