import math
from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor, nn

from genretune.models.augment import (
    Mixup,
    RandomGain,
    SpecAugment,
    WhiteNoise,
    draw_mixup,
    draw_noise,
    draw_offset,
)
from genretune.models.build import AUGMENTATIONS, build_augment
from genretune.models.errors import ModelError

SEEDED = [
    (RandomGain(), (6, 2, 200)),
    (WhiteNoise(), (6, 2, 200)),
    (SpecAugment(freq_width=5, time_width=6, time_share=0.5), (6, 2, 20, 30)),
    (SpecAugment(freq_width=5, fill="zero"), (6, 2, 20, 30)),
]
SEEDS = [11, 12, 13, 14, 15, 16]
CPU = torch.device("cpu")


def apply(module: nn.Module, x: Tensor, seeds: Sequence[int]) -> Tensor:
    """Draw a row for each item, and augment the items with them."""
    if isinstance(module, SpecAugment):
        return module(x, module.draw(seeds, tuple(x.shape[1:])))  # type: ignore[arg-type]
    if isinstance(module, WhiteNoise):
        return module(x, module.draw(seeds), draw_noise(seeds, x.shape[1:], CPU))
    assert isinstance(module, RandomGain)
    return module(x, module.draw(seeds))


@pytest.mark.parametrize(("module", "shape"), SEEDED)
def test_items_do_not_depend_on_the_rest_of_the_batch(
    module: nn.Module, shape: tuple[int, ...], noise: Callable[..., Tensor]
) -> None:
    x = noise(*shape)
    together = apply(module, x, SEEDS)
    for item in (0, 3, 5):
        assert torch.equal(
            apply(module, x[item : item + 1], SEEDS[item : item + 1])[0], together[item]
        )
    assert torch.equal(apply(module, x.flip(0), SEEDS[::-1]), together.flip(0))


@pytest.mark.parametrize(("module", "shape"), SEEDED)
def test_draws_depend_only_on_the_seeds(
    module: nn.Module, shape: tuple[int, ...], noise: Callable[..., Tensor]
) -> None:
    x = noise(*shape)
    before = apply(module, x, SEEDS)
    torch.rand(7)
    state = torch.get_rng_state()
    assert torch.equal(apply(module, x, SEEDS), before)
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.equal(apply(module, x, [seed + 100 for seed in SEEDS]), before)
    assert not torch.equal(before, x)


@pytest.mark.parametrize(("module", "shape"), SEEDED)
def test_evaluation_returns_the_input(
    module: nn.Module, shape: tuple[int, ...], noise: Callable[..., Tensor]
) -> None:
    x = noise(*shape)
    module.eval()
    try:
        assert apply(module, x, SEEDS) is x
    finally:
        module.train()


@pytest.mark.parametrize(("module", "shape"), SEEDED)
def test_a_wrong_number_of_rows(module: nn.Module, shape: tuple[int, ...]) -> None:
    rows: list[Tensor] = [torch.zeros(1, 4, 2, dtype=torch.int64)]
    if isinstance(module, WhiteNoise):
        rows.append(torch.zeros(shape))
    with pytest.raises(ModelError, match="one row of draws for each of the 6 items, got 1"):
        module(torch.zeros(shape), *rows)


def test_draws_of_an_epoch_are_those_that_each_item_always_had() -> None:
    """A generator for each item, read in this order: recorded trials are replayed with it."""

    def uniform(generator: torch.Generator, low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), dtype=torch.float64, generator=generator))

    def interval(generator: torch.Generator, length: int, widest: int) -> list[int]:
        width = int(torch.randint(0, widest + 1, (), generator=generator))
        start = int(torch.randint(0, length - width + 1, (), generator=generator))
        return [start, start + width]

    gain, ratio, noise, masks = [], [], [], []
    for seed in SEEDS:
        one = torch.Generator().manual_seed(seed)
        gain.append(10.0 ** (uniform(one, -6.0, 6.0) / 20.0))
        one = torch.Generator().manual_seed(seed)
        ratio.append(10.0 ** (-uniform(one, 10.0, 40.0) / 10.0))
        noise.append(torch.empty(1, 40).normal_(generator=one))
        one = torch.Generator().manual_seed(seed)
        bins = [interval(one, 20, 5) for _ in range(2)]
        masks.append([*bins, interval(one, 30, 6)])
    assert torch.equal(RandomGain().draw(SEEDS), torch.tensor(gain))
    assert torch.equal(WhiteNoise().draw(SEEDS), torch.tensor(ratio))
    assert torch.equal(draw_noise(SEEDS, (1, 40), CPU), torch.stack(noise))
    augment = SpecAugment(freq_width=5, time_masks=1, time_width=24, time_share=0.2)
    assert torch.equal(augment.draw(SEEDS, (2, 20, 30)), torch.tensor(masks))


def test_gain_stays_within_its_bounds(noise: Callable[..., Tensor]) -> None:
    x = noise(200, 1, 4)
    gains = 20 * torch.log10(apply(RandomGain(min_db=-3, max_db=2), x, range(200)) / x).mean((1, 2))
    assert -3.001 < float(gains.min()) < -2.8
    assert 1.8 < float(gains.max()) < 2.001


def test_noise_has_the_configured_ratio(noise: Callable[..., Tensor]) -> None:
    x = noise(5, 1, 4000) * torch.tensor([1e-3, 0.1, 1.0, 10.0, 0.5])[:, None, None]
    added = apply(WhiteNoise(min_snr_db=20, max_snr_db=20), x, range(5)) - x
    snr = 10 * torch.log10(x.square().mean((1, 2)) / added.square().mean((1, 2)))
    torch.testing.assert_close(snr, torch.full((5,), 20.0), rtol=0, atol=0.01)
    drawn = apply(WhiteNoise(min_snr_db=5, max_snr_db=30), x, range(5)) - x
    ratios = 10 * torch.log10(x.square().mean((1, 2)) / drawn.square().mean((1, 2)))
    assert bool((ratios > 4.9).all() and (ratios < 30.1).all() and ratios.std() > 1)


def test_silence_stays_silent() -> None:
    silence = torch.zeros(2, 1, 50)
    assert torch.equal(apply(WhiteNoise(), silence, [1, 2]), silence)


def test_equal_bounds() -> None:
    x = torch.ones(2, 1, 3)
    loud = apply(RandomGain(min_db=20, max_db=20), x, [1, 2])
    torch.testing.assert_close(loud, 10 * x, rtol=1e-6, atol=0)
    apply(WhiteNoise(min_snr_db=10, max_snr_db=10), x, [1, 2])


def test_reversed_bounds() -> None:
    with pytest.raises(ModelError, match=r"augment\.gain\.min_db: must not exceed max_db, 1"):
        RandomGain(min_db=2, max_db=1)
    with pytest.raises(ModelError, match=r"augment\.noise\.min_snr_db"):
        WhiteNoise(min_snr_db=2, max_snr_db=1)


def test_masks_cover_whole_bands_or_frames_in_all_channels() -> None:
    bands = SpecAugment(freq_masks=1, freq_width=6, time_masks=0, fill="zero")
    masked = apply(bands, torch.ones(50, 2, 20, 30), range(50)) == 0
    assert torch.equal(masked[:, 0], masked[:, 1])
    rows = masked[:, 0].all(2)
    assert torch.equal(rows, masked[:, 0].any(2))
    widths = rows.sum(1)
    assert int(widths.min()) == 0 and int(widths.max()) == 6
    intervals = SpecAugment(freq_masks=0, time_masks=1, time_width=25, time_share=0.3, fill="zero")
    masked = apply(intervals, torch.ones(80, 1, 20, 30), range(80))[:, 0] == 0
    columns = masked.all(1)
    assert torch.equal(columns, masked.any(1))
    assert int(columns.sum(1).max()) == math.floor(0.3 * 30)


def test_masked_values_become_the_mean(noise: Callable[..., Tensor]) -> None:
    x = noise(3, 1, 20, 30) + 5
    out = apply(SpecAugment(freq_masks=1, freq_width=20, time_masks=0), x, [1, 2, 3])
    for item in range(3):
        changed = out[item] != x[item]
        assert torch.equal(out[item][changed], x[item].mean().expand(int(changed.sum())))


def test_a_mask_wider_than_the_image() -> None:
    module = SpecAugment(freq_width=12)
    with pytest.raises(ModelError, match="at most the feature's 8 bins, got 12"):
        module.check((1, 8, 30))
    with pytest.raises(ModelError, match="at most the feature's 8 bins, got 12"):
        module.draw([1], (1, 8, 30))
    SpecAugment(freq_masks=0, freq_width=12).check((1, 8, 30))


def test_mixup_blends(noise: Callable[..., Tensor]) -> None:
    x, partner = noise(2, 1, 5), noise(2, 1, 5, seed=1)
    out = Mixup()(x, partner, torch.tensor([1.0, 0.25]))
    assert torch.equal(out[0], x[0])
    torch.testing.assert_close(out[1], 0.25 * x[1] + 0.75 * partner[1])
    assert Mixup().eval()(x, partner, torch.tensor([0.5, 0.5])) is x


def test_draw_mixup() -> None:
    drawn = [draw_mixup(seed, 7, 0.4) for seed in range(2000)]
    assert drawn[:5] == [draw_mixup(seed, 7, 0.4) for seed in range(5)]
    assert {partner for partner, _ in drawn} == set(range(7))
    shares = torch.tensor([share for _, share in drawn])
    assert bool((shares >= 0).all() and (shares <= 1).all())
    # Beta(a, a) has mean 1/2 and variance 1 / (4 (2a + 1)).
    assert abs(float(shares.mean()) - 0.5) < 0.03
    assert abs(float(shares.var()) - 1 / (4 * 1.8)) < 0.01
    assert all(float(share * 65536).is_integer() for share in shares)


def test_draw_offset() -> None:
    assert {draw_offset(seed, 3) for seed in range(100)} == {0, 1, 2, 3}
    assert draw_offset(1, 0) == 0
    assert draw_offset(5, 1000) == draw_offset(5, 1000)


def test_every_augmentation_declares_its_domain() -> None:
    built = build_augment({name: {} for name in AUGMENTATIONS})
    assert {name: module.domain for name, module in built.items()} == {
        "mixup": "pair",
        "gain": "waveform",
        "noise": "waveform",
        "specaugment": "spectrogram",
    }


def test_all_together(noise: Callable[..., Tensor]) -> None:
    built = build_augment({name: {} for name in AUGMENTATIONS})
    x = noise(2, 1, 300)
    x = apply(built["noise"], apply(built["gain"], x, [1, 2]), [3, 4])
    assert torch.isfinite(apply(built["specaugment"], x.view(2, 1, 15, 20), [5, 6])).all()
