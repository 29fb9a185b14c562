"""Network inputs from rows of the training subset: offset, augmentation, mixup, feature.

Every draw is a function of (seed, kind, epoch, window), so the draw for one window depends neither
on the other windows of its batch nor on which other augmentations are enabled.

Shapes: B windows, C channels, S samples, F bins, T frames.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from genretune.models.augment import draw_mixup, draw_offset
from genretune.tune.reproducibility.seeds import derive
from genretune.tune.training.components import Components


@dataclass(frozen=True)
class Batch:
    """Training windows ``rows`` [B], each unmixed or mixed with a partner.

    Attributes:
        partners: row of each window's mixup partner, int64 [B]; None without mixup.
        share: share of the window itself in the mixture, float32 [B]; the partner has the rest.
    """

    rows: Tensor
    partners: Tensor | None = None
    share: Tensor | None = None

    def split(self, size: int) -> Iterator["Batch"]:
        """Yield micro-batches of at most ``size`` windows."""
        for start in range(0, len(self.rows), size):
            chunk = slice(start, start + size)
            if self.partners is None or self.share is None:
                yield Batch(self.rows[chunk])
            else:
                yield Batch(self.rows[chunk], self.partners[chunk], self.share[chunk])

    def blend(self, function: Callable[[Tensor], Tensor], components: Components) -> Tensor:
        """Return ``function`` of the windows' targets and of their partners', blended by share.

        Args:
            function: maps classes, int64 [B], to a number for each window, [B].

        Returns:
            ``share * function(own) + (1 - share) * function(partner)``, [B].
        """
        target = components.train.target
        own = function(components.send(target[self.rows]))
        if self.partners is None or self.share is None:
            return own
        share = components.send(self.share)
        return share * own + (1.0 - share) * function(components.send(target[self.partners]))


def draw_batch(components: Components, rows: Tensor, epoch: int) -> Batch:
    """Return the windows ``rows`` [B], with mixup partners drawn for them if mixup is enabled."""
    if components.mixup is None:
        return Batch(rows)
    seeds = _seeds(components, "mixup", rows, epoch)
    draws = [draw_mixup(seed, len(components.train), components.mixup.alpha) for seed in seeds]
    partners, share = zip(*draws, strict=True)
    return Batch(rows, torch.tensor(partners), torch.tensor(share, dtype=torch.float32))


def training_images(components: Components, batch: Batch, epoch: int) -> Tensor:
    """Return the network's input for ``batch``: [B, C, F, T] on the trial's device, no gradient."""
    with torch.no_grad():
        x_BCS = _augmented_waveforms(components, batch.rows, epoch)
        if components.mixup is not None and batch.partners is not None and batch.share is not None:
            # A partner is augmented from its own row's seed, as if it were a window of the batch.
            partner_BCS = _augmented_waveforms(components, batch.partners, epoch)
            x_BCS = components.mixup(x_BCS, partner_BCS, batch.share.tolist())
        x_BCFT: Tensor = components.feature(x_BCS)
        for name, augment in components.spectrogram_augment.items():
            x_BCFT = augment(x_BCFT, _seeds(components, name, batch.rows, epoch))
    return x_BCFT


def _augmented_waveforms(components: Components, rows: Tensor, epoch: int) -> Tensor:
    """Return the waveforms [B, C, S] of training windows, shifted and augmented."""
    offsets = None
    if components.config.data.window.random_offset:
        limits = components.train.max_offset[rows].tolist()
        seeds = _seeds(components, "offset", rows, epoch)
        draws = [draw_offset(seed, limit) for seed, limit in zip(seeds, limits, strict=True)]
        offsets = torch.tensor(draws)
    x_BCS = components.waveforms(components.train, rows, offsets)
    for name, augment in components.waveform_augment.items():
        x_BCS = augment(x_BCS, _seeds(components, name, rows, epoch))
    return x_BCS


def _seeds(components: Components, kind: str, rows: Tensor, epoch: int) -> list[int]:
    """Return one seed per window.

    They are keyed by the row in the training subset, not by the position in the batch: batch size
    and window order must not change a window's augmentation.
    """
    seed = components.config.seed
    return [derive(seed, "augment", kind, epoch, row) for row in rows.tolist()]
