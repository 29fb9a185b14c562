"""Network inputs from rows of the training subset: offset, augmentation, mixup, feature.

Shapes: B windows, C channels, S samples, F bins, T frames.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from genretune.data.batches import epoch_order
from genretune.models.augment import WhiteNoise, draw_noise
from genretune.tune.reproducibility.seeds import derive
from genretune.tune.training.components import Components
from genretune.tune.training.epoch_draws import OFFSET, PARTNER, SHARE, draw_tables, window_seeds
from genretune.tune.training.waveforms import Read, Rows


@dataclass(frozen=True)
class Partners:
    """Mixup partners of the windows of a batch.

    Attributes:
        rows: row of each partner [B].
        target: class of each partner, int64 [B], on the trial's device.
        share: share of the window itself in the mixture, float32 [B], on the trial's device; the
            partner has the rest.
    """

    rows: Rows
    target: Tensor
    share: Tensor

    def __getitem__(self, places: slice) -> "Partners":
        return Partners(self.rows[places], self.target[places], self.share[places])


@dataclass(frozen=True)
class Batch:
    """Training windows ``rows`` [B], each unmixed or mixed with a partner.

    Attributes:
        target: class of each window, int64 [B], on the trial's device.
        partners: None without mixup.
    """

    rows: Rows
    target: Tensor
    partners: Partners | None = None

    def split(self, size: int) -> Iterator["Batch"]:
        """Yield micro-batches of at most ``size`` windows."""
        for start in range(0, len(self.rows), size):
            chunk = slice(start, start + size)
            partners = None if self.partners is None else self.partners[chunk]
            yield Batch(self.rows[chunk], self.target[chunk], partners)

    def blend(self, function: Callable[[Tensor], Tensor]) -> Tensor:
        """Return ``function`` of the windows' targets and of their partners', blended by share.

        Args:
            function: maps classes, int64 [B], to a number for each window, [B].

        Returns:
            ``share * function(own) + (1 - share) * function(partner)``, [B].
        """
        own = function(self.target)
        if self.partners is None:
            return own
        share = self.partners.share
        return share * own + (1.0 - share) * function(self.partners.target)


class EpochInputs:
    """The batches of one epoch and their images.

    Order, targets and all scalars that the epoch draws are sent to the trial's device here, once;
    a step looks them up there. Noise is drawn on the device (masks of dropout are the model's).
    """

    def __init__(self, components: Components, epoch: int) -> None:
        self._components, self._epoch = components, epoch
        send, train = components.send, components.train
        tables = draw_tables(components, epoch)
        self._tables = {name: send(table) for name, table in tables.items()}
        self._host = {name: tables[name].numpy() for name in (OFFSET, PARTNER) if name in tables}
        self._target = send(train.target)
        self._waveforms = components.waveforms(train)

    def batches(self) -> Iterator[Batch]:
        """Yield the batches of the epoch: every training window once, in an order of its seed.

        Their images must be asked for in order, by micro-batches where these are configured.
        """
        components = self._components
        seed = derive(components.config.seed, "order", self._epoch)
        order = components.rows(epoch_order(len(components.train), seed).numpy())
        self._waveforms.expect(self._reads(order.host))
        for rows in order.split(components.config.batch_size):
            yield self.batch(rows)

    def batch(self, rows: Rows) -> Batch:
        """Return the windows ``rows``, with their mixup partners if mixup is enabled."""
        target = self._target[rows.device]
        if PARTNER not in self._tables:
            return Batch(rows, target)
        partners = self._look_up(PARTNER, rows)
        share = self._tables[SHARE][rows.device]
        return Batch(rows, target, Partners(partners, self._target[partners.device], share))

    def images(self, batch: Batch) -> Tensor:
        """Return the network's input: [B, C, F, T] on the trial's device, no gradient."""
        components = self._components
        with torch.no_grad():
            x_BCS = self._augmented_waveforms(batch.rows)
            if components.mixup is not None and batch.partners is not None:
                # A partner is augmented from its own row's seed, as if it were in the batch.
                partner_BCS = self._augmented_waveforms(batch.partners.rows)
                x_BCS = components.mixup(x_BCS, partner_BCS, batch.partners.share)
            x_BCFT: Tensor = components.feature(x_BCS)
            for name, augment in components.spectrogram_augment.items():
                x_BCFT = augment(x_BCFT, self._tables[name][batch.rows.device])
        return x_BCFT

    def _reads(self, order: NDArray[np.int64]) -> Iterator[Read]:
        """Yield what ``images`` will read, for the batches of an epoch in this order."""
        config, offset = self._components.config, self._host.get(OFFSET)
        for batch in _split(order, config.batch_size):
            for chunk in _split(batch, config.micro_batch_size or config.batch_size):
                partners = [self._host[PARTNER][chunk]] if PARTNER in self._host else []
                for rows in (chunk, *partners):
                    yield rows, None if offset is None else offset[rows]

    def _augmented_waveforms(self, rows: Rows) -> Tensor:
        """Return the waveforms [B, C, S] of training windows, shifted and augmented."""
        components = self._components
        offsets = self._look_up(OFFSET, rows) if OFFSET in self._tables else None
        x_BCS = self._waveforms.read(rows, offsets)
        for name, augment in components.waveform_augment.items():
            drawn = self._tables[name][rows.device]
            if isinstance(augment, WhiteNoise):
                seeds = window_seeds(components, name, rows.host.tolist(), self._epoch)
                x_BCS = augment(x_BCS, drawn, draw_noise(seeds, x_BCS.shape[1:], x_BCS.device))
            else:
                x_BCS = augment(x_BCS, drawn)
        return x_BCS

    def _look_up(self, table: str, rows: Rows) -> Rows:
        """Return the numbers of a table that the CPU needs, too."""
        return Rows(self._host[table][rows.host], self._tables[table][rows.device])


def _split(numbers: NDArray[np.int64], size: int) -> Iterator[NDArray[np.int64]]:
    for start in range(0, len(numbers), size):
        yield numbers[start : start + size]
