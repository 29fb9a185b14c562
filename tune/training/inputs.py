"""From rows of the training side to what the network sees: offsets, augmentation, mixup, feature.

Every draw is a function of (seed, kind, epoch, window), so one item's draw depends neither on its
batch mates nor on which other augmentations are on.

Shapes: B windows, C channels, S samples, F bins, T frames.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from genretune.models.augment import mixup_draw, offset_draw
from genretune.tune.reproducibility.seeds import derive
from genretune.tune.training.components import Parts


@dataclass(frozen=True)
class Mixture:
    """Training windows ``rows`` [B], each alone or mixed with a partner.

    Attributes:
        partners: row of each window's partner, int64 [B]; None without mixup.
        share: the window's own part in the mixture, float32 [B]; the partner has the rest.
    """

    rows: Tensor
    partners: Tensor | None = None
    share: Tensor | None = None

    def split(self, size: int) -> Iterator["Mixture"]:
        """Micro-batches of at most ``size`` windows."""
        for at in range(0, len(self.rows), size):
            part = slice(at, at + size)
            if self.partners is None or self.share is None:
                yield Mixture(self.rows[part])
            else:
                yield Mixture(self.rows[part], self.partners[part], self.share[part])

    def mean(self, of: Callable[[Tensor], Tensor], parts: Parts) -> Tensor:
        """``of`` the windows' classes and of their partners', weighed by share; [B]."""
        target = parts.train.target
        own = of(parts.send(target[self.rows]))
        if self.partners is None or self.share is None:
            return own
        share = parts.send(self.share)
        return share * own + (1.0 - share) * of(parts.send(target[self.partners]))


def draw_mixture(parts: Parts, rows: Tensor, epoch: int) -> Mixture:
    """The windows ``rows`` [B] with the partners that mixup draws for them, if it is on."""
    if parts.mixup is None:
        return Mixture(rows)
    seeds = _seeds(parts, "mixup", rows, epoch)
    drawn = [mixup_draw(seed, len(parts.train), parts.mixup.alpha) for seed in seeds]
    partners, share = zip(*drawn, strict=True)
    return Mixture(rows, torch.tensor(partners), torch.tensor(share, dtype=torch.float32))


def training_images(parts: Parts, mixture: Mixture, epoch: int) -> Tensor:
    """What the network sees of ``mixture``: [B, C, F, T] on the trial's device, no gradient."""
    with torch.no_grad():
        x_BCS = _augmented(parts, mixture.rows, epoch)
        if parts.mixup is not None and mixture.partners is not None and mixture.share is not None:
            partner_BCS = _augmented(parts, mixture.partners, epoch)
            x_BCS = parts.mixup(x_BCS, partner_BCS, mixture.share.tolist())
        x_BCFT: Tensor = parts.feature(x_BCS)
        for name, augment in parts.spectrogram_augment.items():
            x_BCFT = augment(x_BCFT, _seeds(parts, name, mixture.rows, epoch))
    return x_BCFT


def _augmented(parts: Parts, rows: Tensor, epoch: int) -> Tensor:
    """Waveforms [B, C, S] of training windows, moved and augmented."""
    offsets = None
    if parts.config.data.window.random_offset:
        room = parts.train.room[rows].tolist()
        seeds = _seeds(parts, "offset", rows, epoch)
        offsets = torch.tensor([offset_draw(s, most) for s, most in zip(seeds, room, strict=True)])
    x_BCS = parts.waveforms(parts.train, rows, offsets)
    for name, augment in parts.waveform_augment.items():
        x_BCS = augment(x_BCS, _seeds(parts, name, rows, epoch))
    return x_BCS


def _seeds(parts: Parts, kind: str, rows: Tensor, epoch: int) -> list[int]:
    seed = parts.config.seed
    return [derive(seed, "augment", kind, epoch, row) for row in rows.tolist()]
