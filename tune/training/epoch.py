"""One epoch: training over seeded batches, and evaluation."""

import time
from functools import partial
from typing import Any

import torch
from torch import Tensor

from genretune.data.batches import epoch_order
from genretune.models.dropout import seed_dropout
from genretune.tune.reproducibility.seeds import derive
from genretune.tune.training.components import Components, FoldSubset
from genretune.tune.training.forward import forward
from genretune.tune.training.inputs import Batch, draw_batch, training_images
from genretune.tune.training.metrics import Scores, score
from genretune.tune.training.snapshot import weights_digest


def run_epoch(components: Components, epoch: int) -> dict[str, Any]:
    """Train and evaluate once; the epoch's record, with the columns of ``metrics.tsv``.

    Args:
        epoch: counts from 1; all the epoch's draws are functions of it.
    """
    started = time.perf_counter()
    lr = components.schedule.lr
    trained = train_epoch(components, epoch)
    validated = evaluate(components, components.validation)
    return {
        "epoch": epoch,
        "trn_loss": trained.loss,
        "val_loss": validated.loss,
        "trn_acc": trained.acc,
        "val_acc": validated.acc,
        "trn_clip_loss": trained.clip_loss,
        "val_clip_loss": validated.clip_loss,
        "trn_clip_accuracy": trained.clip_accuracy,
        "val_clip_accuracy": validated.clip_accuracy,
        "val_macro_f1": validated.macro_f1,
        "val_clip_macro_f1": validated.clip_macro_f1,
        "lr": lr,
        "seconds": time.perf_counter() - started,
        "weights_sha256": weights_digest(components.model),
        "val_clip_confusion": validated.clip_confusion,
    }


def train_epoch(components: Components, epoch: int) -> Scores:
    """One pass over the training windows; scores of the logits that the pass itself computed."""
    config = components.config
    components.model.train()
    order = epoch_order(len(components.train), derive(config.seed, "order", epoch))
    passed = _Pass(components.train)
    for index, rows in enumerate(order.split(config.batch_size)):

        def dropout_seed(name: str, index: int = index) -> int:
            return derive(config.seed, "dropout", name, epoch, index)

        seed_dropout(components.model, dropout_seed)
        _step(components, draw_batch(components, rows, epoch), epoch, passed)
        components.schedule.after_batch()
    return passed.scores()


def evaluate(components: Components, side: FoldSubset) -> Scores:
    """Scores of ``side`` under the present weights; leaves no trace in training."""
    config, loss = components.config, components.loss
    components.model.eval()
    passed = _Pass(side)
    with torch.no_grad():
        for rows in torch.arange(len(side)).split(config.eval_batch_size):
            logits = forward(
                components.model, components.feature(components.waveforms(side, rows)), config
            )
            target = components.send(side.target[rows])
            passed.add(
                rows,
                logits,
                loss.values(logits, target),
                loss.weights(target),
            )
    return passed.scores()


def _step(components: Components, batch: Batch, epoch: int, passed: "_Pass") -> None:
    """One optimizer step on a batch, in micro-batches where configured."""
    config, loss = components.config, components.loss
    total = batch.mean(loss.weights, components).sum()
    components.optimizer.zero_grad(set_to_none=True)
    for chunk in batch.split(config.micro_batch_size or len(batch.rows)):
        logits = forward(components.model, training_images(components, chunk, epoch), config)
        values = chunk.mean(partial(loss.values, logits), components)
        (values.sum() / total).backward()
        passed.add(chunk.rows, logits, values, chunk.mean(loss.weights, components))
    if config.clip_grad_norm is not None:
        torch.nn.utils.clip_grad_norm_(components.model.parameters(), config.clip_grad_norm)
    components.optimizer.step()


class _Pass:
    """Collects a pass over a side on the device, so that nothing waits for it until the end."""

    def __init__(self, side: FoldSubset) -> None:
        self._fold_subset = side
        self._rows: list[Tensor] = []
        self._collected: tuple[list[Tensor], ...] = ([], [], [])

    def add(self, rows: Tensor, *found: Tensor) -> None:
        """Note logits [B, C], values [B] and weights [B] of the windows ``rows``."""
        self._rows.append(rows)
        for column, tensor in zip(self._collected, found, strict=True):
            column.append(tensor.detach())

    def scores(self) -> Scores:
        rows = torch.cat(self._rows)
        columns = (torch.cat(column).cpu() for column in self._collected)
        logits, values, weights = (torch.empty_like(c).index_copy_(0, rows, c) for c in columns)
        clip = torch.from_numpy(self._fold_subset.windows.clip)
        loss = float(values.to(torch.float64).sum() / weights.to(torch.float64).sum())
        return score(logits, self._fold_subset.target, clip, loss=loss)
