"""One epoch: its record and scores, micro-batches, and no synchronisation with a GPU."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from genretune.data.store import Store
from genretune.tune.training import epoch as module
from genretune.tune.training.components import build_components
from genretune.tune.training.epoch import evaluate, run_epoch, train_epoch
from genretune.tune.training.inputs import EpochInputs
from genretune.tune.training.metrics import COLUMNS
from genretune.tune.training.record_text import classes_from_text, losses_from_text
from genretune.tune.training.resolve_config import trial_config

Tiny = Callable[..., dict[str, Any]]


def test_a_record_has_every_column_and_the_lr_of_its_first_step(store: Store, tiny: Tiny) -> None:
    settings = tiny(lr_scheduler={"name": "ExponentialLR", "gamma": 0.5})
    config = trial_config(settings)
    components = build_components(config, store)
    first = run_epoch(components, 1)
    components.schedule.after_epoch(first)
    second = run_epoch(components, 2)
    assert [*first][: len(COLUMNS)] == [*COLUMNS]
    assert (first["lr"], second["lr"]) == (0.001, 0.0005)
    clips = set(components.validation.windows.clip)
    predicted = classes_from_text(first["val_clip_classes"], len(store.classes))
    assert len(predicted) == len(clips)
    labels = [store.labels[clip] for clip in sorted(clips)]
    right = sum(a == b for a, b in zip(predicted, labels, strict=True))
    assert right / len(clips) == first["val_clip_accuracy"]
    losses = losses_from_text(first["trn_batch_losses"])
    sizes = [config.batch_size] * (len(losses) - 1)
    sizes.append(len(components.train) - sum(sizes))
    mean = sum(n * loss for n, loss in zip(sizes, losses, strict=True)) / sum(sizes)
    assert mean == pytest.approx(first["trn_loss"], rel=1e-6)  # float32 sums of the batches


def test_the_scores_of_an_evaluation_do_not_depend_on_its_batch_size(
    store: Store, tiny: Tiny
) -> None:
    scores = []
    for size in (1, 7, 1000):
        components = build_components(trial_config(tiny(eval_batch_size=size)), store)
        scores.append(evaluate(components, components.validation))
    assert {one.clip_accuracy for one in scores} == {scores[0].clip_accuracy}
    assert [one.loss for one in scores] == pytest.approx([scores[0].loss] * 3, rel=1e-6)


def test_a_short_last_batch_is_weighted_by_its_number_of_windows(
    store: Store, tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny()["model"] | {"dropout": None}
    components = build_components(trial_config(tiny(batch_size=64, model=model)), store)
    monkeypatch.setattr(components.optimizer, "step", lambda: None)  # the weights stay the same
    trained = train_epoch(components, 1)
    assert trained.loss == pytest.approx(evaluate(components, components.train).loss, rel=1e-6)


def test_micro_batches_give_the_gradients_of_the_whole_batch(store: Store, tiny: Tiny) -> None:
    def gradients(size: int | None) -> list[torch.Tensor]:
        settings = tiny(batch_size=16, micro_batch_size=size)
        components = build_components(trial_config(settings), store)
        components.model.double(), components.feature.double()
        components.model.eval()  # without dropout
        outputs = module._Outputs(components.train, components.config.rules)
        inputs = EpochInputs(components, 1)
        batch = inputs.batch(components.rows(np.arange(16)))
        module._step(components, inputs, batch, outputs)
        return [p.grad for p in components.model.parameters() if p.grad is not None]

    for whole, split in zip(gradients(None), gradients(5), strict=True):
        assert torch.allclose(whole, split, rtol=1e-4, atol=1e-9)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_an_epoch_never_synchronises_with_the_gpu(
    store: Store, tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    augment = {"mixup": {}, "gain": {}, "noise": {}, "specaugment": {}}
    config = trial_config(tiny(device="cuda", augment=augment, clip_grad_norm=1.0))
    components = build_components(config, store)
    train_epoch(components, 1)
    # the scores synchronise once, at the end of the epoch
    monkeypatch.setattr(module._Outputs, "scores", lambda self: None)
    torch.cuda.set_sync_debug_mode("error")
    try:
        train_epoch(components, 2)
    finally:
        torch.cuda.set_sync_debug_mode("default")
