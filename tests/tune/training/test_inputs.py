"""Training batches: mixup, micro-batches, and draws that depend on one window only."""

from collections.abc import Callable
from typing import Any

import torch

from genretune.data.store import Store
from genretune.tune.training.components import build_components
from genretune.tune.training.inputs import Batch, draw_batch, training_images
from genretune.tune.training.resolve_config import trial_config

Tiny = Callable[..., dict[str, Any]]


def test_mixup_blends_waveforms_and_losses_by_the_same_share(store: Store, tiny: Tiny) -> None:
    components = build_components(trial_config(tiny(augment={"mixup": {"alpha": 1.0}})), store)
    batch = draw_batch(components, torch.arange(6), 1)
    assert batch.partners is not None and batch.share is not None
    single = draw_batch(components, torch.tensor([3]), 1)
    assert single.partners is not None and single.partners[0] == batch.partners[3]
    images = training_images(components, batch, 1)
    pieces = [training_images(components, chunk, 1) for chunk in batch.split(4)]
    assert torch.equal(images, torch.cat(pieces))
    blended = batch.blend(lambda target: target.float(), components)
    target = components.train.target
    own, partner = (target[rows].float() for rows in (batch.rows, batch.partners))
    assert torch.equal(blended, batch.share * own + (1.0 - batch.share) * partner)


def test_without_mixup_the_blend_is_the_value_of_the_window(store: Store, tiny: Tiny) -> None:
    components = build_components(trial_config(tiny()), store)
    batch = draw_batch(components, torch.arange(5), 1)
    assert batch.partners is None
    blended = batch.blend(lambda target: target.float(), components)
    assert torch.equal(blended, components.train.target[:5].float())


def test_the_draw_for_a_window_depends_on_no_other_window(store: Store, tiny: Tiny) -> None:
    augment = {"gain": {}, "noise": {}, "specaugment": {}}
    components = build_components(trial_config(tiny(augment=augment)), store)
    together = training_images(components, Batch(torch.tensor([5, 9, 2])), 3)
    alone = training_images(components, Batch(torch.tensor([9])), 3)
    assert torch.equal(together[1:2], alone)
    assert not torch.equal(alone, training_images(components, Batch(torch.tensor([9])), 4))
