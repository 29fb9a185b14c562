"""What the processes of the soak test do with whole trials; started by name, see ``processes.py``.

A digest covers the record of every epoch but its seconds: losses, accuracies, weights.
"""

import hashlib
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from genretune.data.windows import window_length
from genretune.models.build import FEATURES, build_feature
from genretune.models.plugins import Plugin, load_plugin
from genretune.scripts.soaks.gpu.cases import (
    AFTER,
    BEFORE,
    LONGER,
    PAPER,
    Changes,
    component_cases,
    network_cases,
)
from genretune.scripts.soaks.gpu.gpu_tasks import class_facts, gpu_memory, header, pooling, samples
from genretune.scripts.soaks.gpu.processes import Answer, Task, serve
from genretune.scripts.soaks.gpu.sizes import SIZES, settings, tones
from genretune.tune.reproducibility.determinism_env import ENVIRONMENT
from genretune.tune.reproducibility.gpu_memory import empty_gpu_cache, limit_gpu_memory
from genretune.tune.reproducibility.seeds import initialise
from genretune.tune.training.components import build_network
from genretune.tune.training.resolve_config import trial_config
from genretune.tune.training.snapshot import Checkpoint, tensors_digest
from genretune.tune.training.train import Outcome, train
from genretune.tune.trial.error_origin import may_be_infrastructure

Request = Mapping[str, Any]

CASES = {"networks": network_cases, "components": component_cases}
PLUGIN = Path(__file__).with_name("broken_plugin.py")


def trials(request: Request) -> Iterator[Answer]:
    """Train cases of the table ``cases``, capped to ``cap`` bytes of the GPU if there is a cap."""
    table = CASES[request["cases"]](request["size"], request["device"])
    limit(request.get("cap"))
    for key in request["keys"]:
        yield {"key": key, **trained(request, table[key])}


def halves(request: Request) -> Iterator[Answer]:
    """Train four epochs (``half`` 0), the first two, saved to ``folder`` (1), or the others (2)."""
    half = request["half"]
    for index, key in enumerate(request["keys"]):
        config = _config(request, {**LONGER[key], "epochs": 4})
        file = Path(request["folder"]) / f"{index}.pt"
        checkpoints: list[Checkpoint] = []

        def keep(checkpoint: Checkpoint, checkpoints: list[Checkpoint] = checkpoints) -> bool:
            checkpoints.append(checkpoint)
            return half != 1 or checkpoint.epoch < 2

        saved = Checkpoint(**torch.load(file, weights_only=True)) if half == 2 else None
        outcome = train(config, tones(request["size"]), resume_from=saved, on_epoch=keep)
        if half == 1:
            torch.save(vars(checkpoints[-1]), file)
        yield {"key": key, **_answer(outcome)}


def fresh(request: Request) -> Iterator[Answer]:
    """Train the trial ``AFTER`` first in this process; every key gets the same answer."""
    answer = trained(request, AFTER)
    for key in request["keys"]:
        yield {"key": key, **answer}


def after(request: Request) -> Iterator[Answer]:
    """Train for each key what ``BEFORE`` says, and then the trial ``AFTER``."""
    for key in request["keys"]:
        changes = dict(BEFORE[key][0])
        if request["device"] == "cpu" and changes.get("precision") == "tf32":
            changes["precision"] = "bf16"
        try:
            happened = trained(request, changes)["detail"]
        except Exception as error:
            happened = f"{type(error).__name__}"
        answer = trained(request, AFTER)
        yield {"key": key, **answer, "detail": f"before: {happened}"}


def host(request: Request) -> Iterator[Answer]:
    """Return digests of what this process's CPU computes, and of steps that start from it.

    Its libraries were told by variables to use other instructions. A trial refuses these, so they
    are removed once the libraries have read them.
    """
    image = torch.rand(2, 1, 64, 64)
    F.conv2d(image, torch.rand(8, 1, 3, 3))
    torch.mm(image[0, 0], image[1, 0])
    for name in ENVIRONMENT["portable"]:
        if ENVIRONMENT["strict"][name] is None:
            os.environ.pop(name, None)
    networks: tuple[Changes, ...] = (dict(SIZES[request["size"]].cnn), {"name": "resnet18"})
    digests = {
        **{f"initial weights of {n['name']}": _initial_weights(request, n) for n in networks},
        **{f"constants of {name}": _buffers_digest(name) for name in FEATURES},
        "epoch of the cnn": trained(request, AFTER)["digest"],
    }
    capability = torch.backends.cpu.get_cpu_capability()
    for key in request["keys"]:
        yield {"key": key, "digests": digests, "capability": capability}


def fill_gpu(request: Request) -> Iterator[Answer]:
    """Take the GPU's memory but for ``leave`` bytes, and hold it until standard input ends."""
    held = []
    while (free := torch.cuda.mem_get_info()[0]) > request["leave"]:
        size = min(2**28, free - request["leave"])
        held.append(torch.empty(max(size, 2**20), dtype=torch.uint8, device="cuda"))
    yield {"key": "held", "bytes": sum(map(len, held)), "free": torch.cuda.mem_get_info()[0]}
    sys.stdin.read()


def out_of_memory(request: Request) -> Iterator[Answer]:
    """Run out of a small share of the GPU, then train in the whole of it."""
    raised, whose, digests = request["keys"]
    limit(2**28)
    try:
        trained(request, PAPER)
    except Exception as error:
        found = error
    else:
        yield {"key": raised, "error": "trained in 256 MB"}
        return
    yield {
        "key": raised,
        "passed": isinstance(found, torch.OutOfMemoryError),
        "detail": _text(found),
    }
    shared, alone = (may_be_infrastructure(found, shares_device=s) for s in (True, False))
    yield {
        "key": whose,
        "passed": shared and not alone,
        "detail": f"shared: {_whose(shared)}; alone: {_whose(alone)}",
    }
    del found
    empty_gpu_cache()
    limit(None)
    yield {"key": digests, **trained(request, AFTER)}


def device_assert(request: Request) -> Iterator[Answer]:
    """Let a plug-in read beyond its tensor on the device, then train another trial."""
    whose, next_trial = request["keys"]
    try:
        trained(request, {"model": {"name": "broken", "kind": "index"}})
    except Exception as error:
        found = error
    else:
        yield {"key": whose, "error": "a wrong index raised nothing"}
        return
    infrastructure = may_be_infrastructure(found, shares_device=False)
    # on a CPU it is an IndexError, the trial's own
    expected = request["device"] == "cuda"
    detail = f"{_whose(infrastructure)}: {_text(found)}"
    yield {"key": whose, "passed": infrastructure == expected, "detail": detail}
    try:
        outcome = "trains, " + trained(request, AFTER)["digest"][:12]
    except Exception as error:
        outcome = f"raises {_text(error)}"
    yield {"key": next_trial, "measured": {"next trial in the process": outcome}}


def limit(cap: int | None) -> None:
    """Limit what torch may allocate to ``cap`` bytes; None is no limit."""
    if torch.cuda.is_available():
        whole = torch.cuda.get_device_properties(torch.cuda.current_device()).total_memory
        limit_gpu_memory(1.0 if cap is None else min(1.0, cap / whole))


def trained(request: Request, changes: Changes) -> Answer:
    """Train a trial from its start; return its digest.

    Raises:
        Exception: whatever the trial raises.
    """
    plugins = _plugins() if changes.get("model", {}).get("name") == "broken" else {}
    config = trial_config(settings(request["size"], request["device"], **changes), plugins=plugins)
    return _answer(train(config, tones(request["size"]), plugins=plugins))


def _config(request: Request, changes: Changes) -> Any:
    return trial_config(settings(request["size"], request["device"], **changes))


def _plugins() -> dict[str, Plugin]:
    return {PLUGIN.name: load_plugin(PLUGIN)}


def _answer(outcome: Outcome) -> Answer:
    if outcome.status == "diverged":
        return {"error": f"diverged: {outcome.why}"}
    records: Sequence[Mapping[str, Any]] = outcome.history
    kept = [{k: v for k, v in record.items() if k != "seconds"} for record in records]
    digest = hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()
    return {"digest": digest, "detail": f"val_loss {records[-1]['val_loss']:.4g}"}


def _initial_weights(request: Request, network: Changes) -> str:
    config = _config(request, {"model": network})
    samples = window_length(config.data.window, config.data.sample_rate)
    _, model = build_network(config, classes=10, samples=samples)
    initialise(model, config.seed)
    return tensors_digest(model.state_dict())


def _buffers_digest(name: str) -> str:
    feature = build_feature({"name": name}, sample_rate=22050)
    return tensors_digest(dict(feature.named_buffers()))


def _whose(infrastructure: bool) -> str:
    return "perhaps infrastructure's" if infrastructure else "the trial's own"


def _text(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


TASKS: dict[str, Task] = {
    "header": header,
    "class": class_facts,
    "pooling": pooling,
    "samples": samples,
    "gpu_memory": gpu_memory,
    "trials": trials,
    "halves": halves,
    "fresh": fresh,
    "after": after,
    "host": host,
    "fill_gpu": fill_gpu,
    "out_of_memory": out_of_memory,
    "device_assert": device_assert,
}

if __name__ == "__main__":
    serve(TASKS)
