"""A short epoch of a sweep's first trial, and what a node does to train it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from genretune.data.errors import DataError
from genretune.data.specs import SplitSpec, WindowSpec
from genretune.data.splits.fold_windows import fold_windows
from genretune.data.store import local_store
from genretune.tune.dispatch.trial_inputs import open_workspace, saved_config
from genretune.tune.errors import RunFailure
from genretune.tune.reproducibility.gpu_memory import limit_gpu_memory
from genretune.tune.run.sweep_setup import Sweep
from genretune.tune.storage.run_dir import Lease
from genretune.tune.training.snapshot import recorded_digest
from genretune.tune.trial.run_trial import run_trial, summarize_error
from genretune.tune.trial.workspace import TrialWorkspace

_IO_TIMEOUT = 10.0  # s to retry failing storage


def shorten(sweep: Sweep, parameters: Mapping[str, object]) -> Sweep:
    """Return the sweep with as few clips as one epoch of a trial needs to be like the sweep's.

    At most a few windows of each clip and more training windows than one batch, so that there is a
    full batch, which takes the memory of a real one, and a second step of the optimizer.
    """
    data, store = dict(sweep.data), sweep.store
    window, split = WindowSpec(**data["window"]), SplitSpec(**data["split"])
    few = min(window.clip_seconds or float("inf"), 4 * window.seconds)
    exclude = tuple(data["exclude"])
    try:
        window = window.model_copy(update={"clip_seconds": few})
        fold = fold_windows(store, split=split, window=window, exclude=exclude)
    except DataError:  # a split of windows may need all of them
        window = WindowSpec(**data["window"])
        fold = fold_windows(store, split=split, window=window, exclude=exclude)
    batch = sweep.config(parameters, 0).batch_size
    kept = set[int]()
    for windows, more_than in ((fold.train, batch), (fold.validation, 0)):
        kept |= _few_clips(windows.clip.tolist(), store.labels, len(store.classes), more_than)
    data["window"] = window.model_dump(mode="json")
    data["exclude"] = sorted(name for i, name in enumerate(store.names) if i not in kept)
    return replace(sweep, data=data)


def _few_clips(
    clips: Sequence[int], labels: Sequence[int], at_least: int, more_than: int
) -> set[int]:
    """Return clips of all classes in turn: ``at_least`` clips, with ``more_than`` windows.

    Args:
        clips: index of the clip of each window.
        labels: class of each clip.
    """
    windows = Counter(clips)
    rank = Counter[int]()  # of a clip among those of its class
    order = []
    for clip in sorted(windows):
        order.append((rank[labels[clip]], labels[clip], clip))
        rank[labels[clip]] += 1
    kept, total = set[int](), 0
    for _, _, clip in sorted(order):
        if len(kept) >= at_least and total > more_than:
            break
        kept.add(clip)
        total += windows[clip]
    return kept


def train_one_epoch(order: Mapping[str, Any]) -> dict[str, Any]:
    """Train the first epoch of a trial as a worker does; runs on the node.

    Args:
        order: as ``temporary_run`` yields it, with ``trial``.

    Returns:
        ``weights_sha256``, ``machine_class``, ``device`` and ``seconds``; or what
        ``describe_error`` returns; or ``samples``, the digest of the samples that this node lacks.
    """
    lease = Lease(order["generation"], io_timeout=_IO_TIMEOUT)
    run, storage, plugins = order["run"], order["storage"], order["plugins"]
    try:
        with open_workspace(run, storage, order["trial"], lease, plugins) as workspace:
            return _train_in(workspace, order)
    except Exception as error:
        return describe_error(error)


def describe_error(error: Exception) -> dict[str, str]:
    """Return ``error``, one line, and ``remedy`` where one of our messages has it at its end."""
    text = str(error).strip()
    if not text or not isinstance(getattr(error, "exit_code", None), int):
        return {"error": summarize_error(error)}
    message, remedy = _split_hint(text.splitlines()[0])
    return {"error": message, "remedy": remedy} if remedy else {"error": message}


def _split_hint(line: str) -> tuple[str, str]:
    """Split ``where: rule, got value (what to do)`` at its last bracket; no hint is empty."""
    depth = 0
    for index in reversed(range(len(line) if line.endswith(")") else 0)):
        depth += {")": 1, "(": -1}.get(line[index], 0)
        if depth == 0:
            return line[:index].rstrip(), line[index + 1 : -1]
    return line, ""


def _train_in(workspace: TrialWorkspace, order: Mapping[str, Any]) -> dict[str, Any]:
    sweep, folder = workspace.sweep, workspace.trial_dir
    samples = sweep["data"]["samples"]
    store = local_store(Path(order["store"]), samples)
    if store is None:
        return {"samples": samples}
    config = saved_config(workspace, order["parameters"], order["seed"])

    if config.device == "cuda":
        limit_gpu_memory(order["gpu_share"])
    outcome = run_trial(
        config,
        store,
        folder,
        on_report=lambda record: False,
        plugins=workspace.plugins,
        gpu_share=order["gpu_share"],
    )
    if not outcome.history:
        raise RunFailure(f"the first configuration of the space {outcome.status}: {outcome.why}")
    record, stored, result = outcome.history[0], folder.newest_checkpoint(), folder.result()
    intact = stored is not None and record["weights_sha256"] == recorded_digest(
        stored.model, stored.feature, config.rules
    )
    if not intact or not result:
        raise RunFailure(f"{folder.path}: must read as written, got another checkpoint")
    return {
        "weights_sha256": record["weights_sha256"],
        "machine_class": result["segments"][-1]["environment"]["machine_class"],
        "device": config.device,
        "seconds": record["seconds"],
    }
