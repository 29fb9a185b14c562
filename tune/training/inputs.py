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
from genretune.tune.training.components import Components


@dataclass(frozen=True)
class Batch:
    """Training windows ``rows`` [B], each alone or mixed with a partner.

    Attributes:
        partners: row of each window's partner, int64 [B]; None without mixup.
        share: the window's own part in the mixture, float32 [B]; the partner has the rest.
    """

    rows: Tensor
    partners: Tensor | None = None
    share: Tensor | None = None

    def split(self, size: int) -> Iterator["Batch"]:
        """Micro-batches of at most ``size`` windows."""
        for at in range(0, len(self.rows), size):
            part = slice(at, at + size)
            if self.partners is None or self.share is None:
                yield Batch(self.rows[part])
            else:
                yield Batch(self.rows[part], self.partners[part], self.share[part])

    def mean(self, of: Callable[[Tensor], Tensor], components: Components) -> Tensor:
        """``of`` the windows' classes and of their partners', weighed by share; [B]."""
        target = components.train.target
        own = of(components.send(target[self.rows]))
        if self.partners is None or self.share is None:
            return own
        share = components.send(self.share)
        return share * own + (1.0 - share) * of(components.send(target[self.partners]))


def draw_batch(components: Components, rows: Tensor, epoch: int) -> Batch:
    """The windows ``rows`` [B] with the partners that mixup draws for them, if it is on."""
    if components.mixup is None:
        return Batch(rows)
    seeds = _seeds(components, "mixup", rows, epoch)
    drawn = [mixup_draw(seed, len(components.train), components.mixup.alpha) for seed in seeds]
    partners, share = zip(*drawn, strict=True)
    return Batch(rows, torch.tensor(partners), torch.tensor(share, dtype=torch.float32))


def training_images(components: Components, batch: Batch, epoch: int) -> Tensor:
    """What the network sees of ``batch``: [B, C, F, T] on the trial's device, no gradient."""
    with torch.no_grad():
        x_BCS = _augmented(components, batch.rows, epoch)
        if components.mixup is not None and batch.partners is not None and batch.share is not None:
            partner_BCS = _augmented(components, batch.partners, epoch)
            x_BCS = components.mixup(x_BCS, partner_BCS, batch.share.tolist())
        x_BCFT: Tensor = components.feature(x_BCS)
        for name, augment in components.spectrogram_augment.items():
            x_BCFT = augment(x_BCFT, _seeds(components, name, batch.rows, epoch))
    return x_BCFT


def _augmented(components: Components, rows: Tensor, epoch: int) -> Tensor:
    """Waveforms [B, C, S] of training windows, moved and augmented."""
    offsets = None
    if components.config.data.window.random_offset:
        room = components.train.room[rows].tolist()
        seeds = _seeds(components, "offset", rows, epoch)
        offsets = torch.tensor([offset_draw(s, most) for s, most in zip(seeds, room, strict=True)])
    x_BCS = components.waveforms(components.train, rows, offsets)
    for name, augment in components.waveform_augment.items():
        x_BCS = augment(x_BCS, _seeds(components, name, rows, epoch))
    return x_BCS


def _seeds(components: Components, kind: str, rows: Tensor, epoch: int) -> list[int]:
    seed = components.config.seed
    return [derive(seed, "augment", kind, epoch, row) for row in rows.tolist()]
