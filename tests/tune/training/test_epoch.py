"""One epoch: what its scores mean, and that a GPU is never waited for (where there is one)."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from genretune.data.store import Store
from genretune.tune.training import epoch as module
from genretune.tune.training.components import build_components
from genretune.tune.training.epoch import evaluate, run_epoch, train_epoch
from genretune.tune.training.inputs import Batch, draw_batch, training_images
from genretune.tune.training.metrics import COLUMNS
from genretune.tune.training.resolve_config import trial_config

Tiny = Callable[..., dict[str, Any]]


def test_a_record_has_every_column_and_the_next_steps_lr(store: Store, tiny: Tiny) -> None:
    given = tiny(lr_scheduler={"name": "ExponentialLR", "gamma": 0.5})
    parts = build_components(trial_config(given), store)
    first = run_epoch(parts, 1)
    parts.schedule.after_epoch(first)
    second = run_epoch(parts, 2)
    assert [*first][: len(COLUMNS)] == [*COLUMNS]
    assert (first["lr"], second["lr"]) == (0.001, 0.0005)
    assert sum(map(sum, first["val_clip_confusion"])) == len(set(parts.validation.windows.clip))


def test_evaluation_does_not_depend_on_its_batches_in_value(store: Store, tiny: Tiny) -> None:
    sizes = (1, 7, 1000)
    found = []
    for size in sizes:
        parts = build_components(trial_config(tiny(eval_batch_size=size)), store)
        found.append(evaluate(parts, parts.validation))
    assert {one.clip_accuracy for one in found} == {found[0].clip_accuracy}
    assert [one.loss for one in found] == pytest.approx([found[0].loss] * 3, rel=1e-6)


def test_the_last_short_batch_weighs_by_its_items(
    store: Store, tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny()["model"] | {"dropout": None}
    parts = build_components(trial_config(tiny(batch_size=64, model=model)), store)
    monkeypatch.setattr(parts.optimizer, "step", lambda: None)  # weights stay as they are
    trained = train_epoch(parts, 1)
    assert trained.loss == pytest.approx(evaluate(parts, parts.train).loss, rel=1e-6)


def test_mixup_mixes_waveforms_and_losses_alike(store: Store, tiny: Tiny) -> None:
    parts = build_components(trial_config(tiny(augment={"mixup": {"alpha": 1.0}})), store)
    batch = draw_batch(parts, torch.arange(6), 1)
    assert batch.partners is not None and batch.share is not None
    again = draw_batch(parts, torch.tensor([3]), 1)
    assert again.partners is not None and again.partners[0] == batch.partners[3]
    images = training_images(parts, batch, 1)
    pieces = [training_images(parts, chunk, 1) for chunk in batch.split(4)]
    assert torch.equal(images, torch.cat(pieces))
    classes = batch.mean(lambda target: target.float(), parts)
    own, other = (parts.train.target[rows].float() for rows in (batch.rows, batch.partners))
    assert torch.equal(classes, batch.share * own + (1.0 - batch.share) * other)


def test_an_items_draw_depends_on_no_other(store: Store, tiny: Tiny) -> None:
    augment = {"gain": {}, "noise": {}, "specaugment": {}}
    parts = build_components(trial_config(tiny(augment=augment)), store)
    together = training_images(parts, Batch(torch.tensor([5, 9, 2])), 3)
    alone = training_images(parts, Batch(torch.tensor([9])), 3)
    assert torch.equal(together[1:2], alone)
    assert not torch.equal(alone, training_images(parts, Batch(torch.tensor([9])), 4))


def test_micro_batches_make_the_same_step(store: Store, tiny: Tiny) -> None:
    def gradients(size: int | None) -> list[torch.Tensor]:
        given = tiny(batch_size=16, micro_batch_size=size)
        parts = build_components(trial_config(given), store)
        parts.model.double(), parts.feature.double()
        order = Batch(torch.arange(16))
        passed = module._Pass(parts.train)
        parts.model.eval()  # dropout apart
        module._step(parts, order, 1, passed)
        return [p.grad for p in parts.model.parameters() if p.grad is not None]

    whole, parts = gradients(None), gradients(5)
    for one, other in zip(whole, parts, strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-9)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_nothing_waits_for_a_gpu_within_an_epoch(
    store: Store, tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    augment = {"mixup": {}, "gain": {}, "noise": {}, "specaugment": {}}
    config = trial_config(tiny(device="cuda", augment=augment, clip_grad_norm=1.0))
    parts = build_components(config, store)
    train_epoch(parts, 1)
    monkeypatch.setattr(module._Pass, "scores", lambda self: None)  # it waits, at the end
    torch.cuda.set_sync_debug_mode("error")
    try:
        train_epoch(parts, 2)
    finally:
        torch.cuda.set_sync_debug_mode("default")
