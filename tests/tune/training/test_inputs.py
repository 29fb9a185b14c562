"""Training batches: mixup, micro-batches, and draws that depend on one window only."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genretune.data.batches import epoch_order
from genretune.data.store import Store
from genretune.tune.reproducibility.seeds import derive
from genretune.tune.training.components import Components, build_components
from genretune.tune.training.inputs import Batch, EpochInputs
from genretune.tune.training.resolve_config import trial_config

Tiny = Callable[..., dict[str, Any]]


def batch_of(components: Components, inputs: EpochInputs, rows: list[int]) -> Batch:
    return inputs.batch(components.rows(np.array(rows)))


def images_of(components: Components, rows: list[int], epoch: int) -> Tensor:
    inputs = EpochInputs(components, epoch)
    return inputs.images(batch_of(components, inputs, rows))


def test_batches_are_every_window_in_the_order_of_the_epoch(store: Store, tiny: Tiny) -> None:
    components = build_components(trial_config(tiny()), store)
    batches = list(EpochInputs(components, 2).batches())
    rows = torch.cat([batch.rows.device for batch in batches])
    assert torch.equal(rows, epoch_order(len(components.train), derive(7, "order", 2)))
    assert {len(batch.rows) for batch in batches[:-1]} == {16}
    assert all(batch.rows.host.tolist() == batch.rows.device.tolist() for batch in batches)


def test_mixup_blends_waveforms_and_losses_by_the_same_share(store: Store, tiny: Tiny) -> None:
    components = build_components(trial_config(tiny(augment={"mixup": {"alpha": 1.0}})), store)
    inputs = EpochInputs(components, 1)
    batch = batch_of(components, inputs, [*range(6)])
    assert batch.partners is not None
    single = batch_of(components, inputs, [3])
    assert single.partners is not None and single.partners.share[0] == batch.partners.share[3]
    assert single.partners.rows.host[0] == batch.partners.rows.host[3]
    images = inputs.images(batch)
    pieces = [inputs.images(chunk) for chunk in batch.split(4)]
    assert torch.equal(images, torch.cat(pieces))
    blended = batch.blend(lambda target: target.float())
    target, share = components.train.target, batch.partners.share
    own, partner = (target[r].float() for r in (batch.rows.host, batch.partners.rows.host))
    assert torch.equal(blended, share * own + (1.0 - share) * partner)


def test_without_mixup_the_blend_is_the_value_of_the_window(store: Store, tiny: Tiny) -> None:
    components = build_components(trial_config(tiny()), store)
    batch = batch_of(components, EpochInputs(components, 1), [*range(5)])
    assert batch.partners is None
    blended = batch.blend(lambda target: target.float())
    assert torch.equal(blended, components.train.target[:5].float())


def test_the_draw_for_a_window_depends_on_no_other_window(store: Store, tiny: Tiny) -> None:
    augment = {"gain": {}, "noise": {}, "specaugment": {}}
    components = build_components(trial_config(tiny(augment=augment)), store)
    together = images_of(components, [5, 9, 2], 3)
    alone = images_of(components, [9], 3)
    assert torch.equal(together[1:2], alone)
    assert not torch.equal(alone, images_of(components, [9], 4))
