"""The scalars of an epoch's draws: one table each, with a row for every training window.

Every draw is a function of (seed, kind, epoch, window), so the draw for one window depends neither
on the other windows of its batch nor on which other augmentations are enabled. Scalars are drawn on
the CPU once per epoch and then looked up by row, on the trial's device.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

from genretune.models.augment import draw_mixup, draw_offset
from genretune.tune.reproducibility.seeds import derive
from genretune.tune.training.components import Components

OFFSET, PARTNER, SHARE = "offset", "partner", "share"


def draw_tables(components: Components, epoch: int) -> dict[str, Tensor]:
    """Draw the tables of one epoch, on the CPU; N training windows.

    Returns:
        ``offset`` (samples) with random offsets; ``partner`` (row) and ``share`` (of the window
        itself) with mixup, each [N]; for every other augmentation its ``draw`` [N, ...], by name.
    """
    rows = range(len(components.train))
    tables: dict[str, Tensor] = {}
    if components.config.data.window.random_offset:
        limits = components.train.max_offset.tolist()
        seeds = window_seeds(components, "offset", rows, epoch)
        draws = [draw_offset(seed, limit) for seed, limit in zip(seeds, limits, strict=True)]
        tables[OFFSET] = torch.tensor(draws)
    if (mixup := components.mixup) is not None:
        seeds = window_seeds(components, "mixup", rows, epoch)
        partners, shares = zip(*(draw_mixup(s, len(rows), mixup.alpha) for s in seeds), strict=True)
        tables[PARTNER] = torch.tensor(partners)
        tables[SHARE] = torch.tensor(shares, dtype=torch.float32)
    for name, augment in components.waveform_augment.items():
        tables[name] = augment.draw(window_seeds(components, name, rows, epoch))  # type: ignore[operator]
    for name, augment in components.spectrogram_augment.items():
        seeds = window_seeds(components, name, rows, epoch)
        tables[name] = augment.draw(seeds, components.image_shape)  # type: ignore[operator]
    return tables


def window_seeds(components: Components, kind: str, rows: Iterable[int], epoch: int) -> list[int]:
    """Return one seed per window.

    They are keyed by the row in the training subset, not by the position in the batch: batch size
    and window order must not change a window's augmentation.
    """
    seed = components.config.seed
    return [derive(seed, "augment", kind, epoch, row) for row in rows]
