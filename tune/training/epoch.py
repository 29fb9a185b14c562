"""One epoch: training over batches in seeded order, then evaluation."""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from genretune.models.dropout import seed_dropout
from genretune.tune.reproducibility.seeds import derive
from genretune.tune.training.components import Components, FoldSubset, needs_statistics
from genretune.tune.training.config import FIRST_RULES
from genretune.tune.training.forward import forward
from genretune.tune.training.global_random import watch_global_generators
from genretune.tune.training.inputs import Batch, EpochInputs
from genretune.tune.training.metrics import Mixed, Scores, compute_scores
from genretune.tune.training.record_text import classes_to_text, losses_to_text
from genretune.tune.training.snapshot import recorded_digest

OnStep = Callable[[], None]


def run_epoch(
    components: Components, epoch: int, *, on_step: OnStep = lambda: None
) -> dict[str, Any]:
    """Train for one epoch, evaluate, and return the epoch's record: the ``metrics.tsv`` columns.

    Args:
        epoch: counts from 1; every random draw of the epoch is a function of it.
        on_step: called before every batch of training and evaluation.
    """
    started = time.perf_counter()
    lr = components.schedule.lr  # of the first step: schedules stepped per batch change it
    batch_losses: list[float] = []
    trained = train_epoch(components, epoch, on_step=on_step, batch_losses=batch_losses)
    validated = evaluate(components, components.validation, on_step=on_step)
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
        "weights_sha256": _digest(components),
    } | _long_columns(batch_losses, validated, components.config.rules)


def _digest(components: Components) -> str:
    feature, rules = components.feature, components.config.rules
    statistics = feature.state_dict() if needs_statistics(feature) else {}
    return recorded_digest(components.model.state_dict(), statistics, rules)


def _long_columns(batch_losses: Sequence[float], validated: Scores, rules: int) -> dict[str, Any]:
    """Return what an epoch records beside its metrics."""
    if rules == FIRST_RULES:
        return {"val_clip_confusion": validated.clip_confusion}
    classes = len(validated.clip_confusion)
    return {
        "val_clip_classes": classes_to_text(validated.clip_classes, classes),
        **losses_to_text(batch_losses),
    }


def train_epoch(
    components: Components,
    epoch: int,
    *,
    on_step: OnStep = lambda: None,
    batch_losses: list[float] | None = None,
) -> Scores:
    """Train over all training windows once and score the logits computed on the way.

    Args:
        batch_losses: the float32 loss of each batch is appended to it.
    """
    config = components.config
    components.model.train()
    components.feature.train()
    inputs = EpochInputs(components, epoch)
    outputs = _Outputs(components.train, config.rules)
    losses: list[Tensor] = []  # read at the end: the host would wait for a GPU at every step
    for index, batch in enumerate(inputs.batches()):
        on_step()

        def dropout_seed(name: str, index: int = index) -> int:
            return derive(config.seed, "dropout", name, epoch, index)

        # Seeded anew for every batch, so a restart at any epoch draws the same masks.
        seed_dropout(components.model, dropout_seed)
        with _watched(components, first=index == 0):
            losses.append(_step(components, inputs, batch, outputs))
        components.schedule.after_batch()
    if batch_losses is not None:
        batch_losses += torch.stack(losses).tolist()
    return outputs.scores()


def evaluate(
    components: Components, subset: FoldSubset, *, on_step: OnStep = lambda: None
) -> Scores:
    """Return the scores of ``subset`` with the current weights; does not affect training."""
    config, loss = components.config, components.loss
    components.model.eval()
    components.feature.eval()
    outputs = _Outputs(subset, config.rules)
    targets = components.send(subset.target)
    with torch.no_grad():
        for rows, x_BCS in components.in_order(subset, full=config.rules != FIRST_RULES):
            on_step()
            with _watched(components, first=rows.host[0] == 0):
                images = components.feature(x_BCS)
                del x_BCS  # its memory is needed for the network
                logits = forward(components.model, images, config)[: len(rows)]
            target = targets[rows.device]
            outputs.add(rows.host, logits, loss.values(logits, target), loss.weights(target))
    return outputs.scores()


def _step(components: Components, inputs: EpochInputs, batch: Batch, outputs: "_Outputs") -> Tensor:
    """Take one optimizer step on a batch, in micro-batches if configured; return its loss []."""
    config, loss = components.config, components.loss
    # The weights of the whole batch: each micro-batch must divide by the same sum, or the last,
    # shorter one would count more than its share in the gradient.
    total = batch.blend(loss.weights).sum()
    components.optimizer.zero_grad(set_to_none=True)
    batch_loss = torch.zeros((), device=total.device)
    for chunk in batch.split(config.micro_batch_size or len(batch.rows)):
        logits = forward(components.model, inputs.images(chunk), config)
        values = chunk.blend(partial(loss.values, logits))
        loss_part = values.sum() / total
        loss_part.backward()
        batch_loss += loss_part.detach()
        mixed = () if chunk.partners is None else (chunk.partners.target, chunk.partners.share)
        outputs.add(chunk.rows.host, logits, values, chunk.blend(loss.weights), *mixed)
    if config.clip_grad_norm is not None:
        torch.nn.utils.clip_grad_norm_(components.model.parameters(), config.clip_grad_norm)
    components.optimizer.step()
    return batch_loss


def _watched(components: Components, *, first: bool) -> AbstractContextManager[None]:
    """Watch the first step of an epoch, and of an evaluation, for draws of a plug-in's layers."""
    if not first or not components.config.plugins:
        return nullcontext()
    parts = {"feature": components.feature, "model": components.model}
    return watch_global_generators(parts, components.device)


class _Outputs:
    """Outputs of one pass over a subset, kept on the device until the end.

    Copying each batch to the CPU would make the host wait for the GPU at every step.
    """

    def __init__(self, subset: FoldSubset, rules: int) -> None:
        self._subset = subset
        self._rules = rules
        self._rows: list[NDArray[np.int64]] = []
        self._columns: list[list[Tensor]] = []

    def add(self, rows: NDArray[np.int64], *outputs: Tensor) -> None:
        """Append the outputs of the windows ``rows``.

        Args:
            outputs: logits [B, C], loss values [B] and weights [B]; with mixup also the partners'
                classes [B] and the windows' own shares [B].
        """
        self._rows.append(rows)
        self._columns = self._columns or [[] for _ in outputs]
        for column, tensor in zip(self._columns, outputs, strict=True):
            column.append(tensor.detach())

    def scores(self) -> Scores:
        """Return the scores of the whole pass, which must have covered every window once."""
        rows = torch.from_numpy(np.concatenate(self._rows))
        columns = (torch.cat(column).cpu() for column in self._columns)
        # Back to window order: float sums depend on the order of their terms, and scores must not
        # depend on the order of training.
        ordered = [torch.empty_like(c).index_copy_(0, rows, c) for c in columns]
        logits, values, weights, *mixed = ordered
        clip = torch.from_numpy(self._subset.windows.clip)
        loss = float(values.to(torch.float64).sum() / weights.to(torch.float64).sum())
        return compute_scores(
            logits,
            self._subset.target,
            clip,
            loss=loss,
            mixed=Mixed(*mixed) if mixed else None,
            rules=self._rules,
        )
