"""Tables of an epoch's draws: by name and window, equal to a draw for each window alone."""

from collections.abc import Callable
from typing import Any

import torch

from genretune.data.store import Store
from genretune.models.augment import RandomGain, SpecAugment, WhiteNoise, draw_mixup, draw_offset
from genretune.tune.reproducibility.seeds import derive
from genretune.tune.training.components import build_components
from genretune.tune.training.epoch_draws import draw_tables
from genretune.tune.training.resolve_config import trial_config

Tiny = Callable[..., dict[str, Any]]


def test_every_row_is_the_draw_of_its_window(store: Store, tiny: Tiny) -> None:
    given = tiny(augment={"mixup": {"alpha": 1.0}, "gain": {}, "noise": {}, "specaugment": {}})
    window = given["data"]["window"] | {"random_offset": True}
    settings = given | {"data": given["data"] | {"window": window}}
    components = build_components(trial_config(settings), store)
    tables = draw_tables(components, 3)
    assert set(tables) == {"offset", "partner", "share", "gain", "noise", "specaugment"}
    rows = len(components.train)
    assert {len(table) for table in tables.values()} == {rows}
    for row in (0, 7, rows - 1):
        # these names are part of every record: a trial is replayed with them
        seeds = {k: derive(7, "augment", k, 3, row) for k in (*tables, "mixup")}
        limit = int(components.train.max_offset[row])
        assert int(tables["offset"][row]) == draw_offset(seeds["offset"], limit)
        partner, share = draw_mixup(seeds["mixup"], rows, 1.0)
        assert int(tables["partner"][row]) == partner
        assert tables["share"][row] == torch.tensor(share, dtype=torch.float32)
        assert torch.equal(tables["gain"][row : row + 1], RandomGain().draw([seeds["gain"]]))
        assert torch.equal(tables["noise"][row : row + 1], WhiteNoise().draw([seeds["noise"]]))
        masks = SpecAugment().draw([seeds["specaugment"]], components.image_shape)
        assert torch.equal(tables["specaugment"][row : row + 1], masks)


def test_nothing_is_drawn_without_augmentation(store: Store, tiny: Tiny) -> None:
    components = build_components(trial_config(tiny()), store)
    assert draw_tables(components, 1) == {}
