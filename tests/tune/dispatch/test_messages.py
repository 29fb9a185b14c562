"""Messages cross Ray's border as plain JSON and come back equal."""

import json
import math
import subprocess
import sys

import pytest

from genretune.tune.dispatch.messages import (
    EpochReport,
    Message,
    SegmentOrder,
    TrialEnd,
    from_json,
    is_message,
    to_json,
)
from genretune.tune.errors import RunFailure

ORDER = SegmentOrder(
    trial=4,
    generation=2,
    attempt=1,
    parameters={"optimizer.lr": 0.1 + 0.2, "model.reduction": None, "model.filters": [4, 8]},
    seed=2**62,
    metric="val_loss",
    run="/runs/one",
    storage=None,
    store="/cache/pack",
    plugins=("/code/mine.py",),
    io_timeout=600.0,
    bundle={"CPU": 1.0, "GPU": 0.25},
    excluded_nodes=("n1", "n2"),
)
MESSAGES = (
    ORDER,
    EpochReport(epoch=3, value=0.1 + 0.2, weights_sha256="ab", seconds=1.5),
    TrialEnd("diverged", 2, "val_loss is nan in epoch 3"),
)


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_comes_back_equal(message: Message) -> None:
    values = to_json(message)
    assert is_message(values)
    assert from_json(json.loads(json.dumps(values))) == message


def test_fields_at_their_default_are_not_sent() -> None:
    values = to_json(ORDER)
    assert {"storage", "machine_class"}.isdisjoint(values) and values["kind"] == "order"
    assert values["excluded_nodes"] == ["n1", "n2"]


def test_keys_that_ray_adds_are_ignored() -> None:
    report = MESSAGES[1]
    values = to_json(report) | {"trial_id": "ray-0", "training_iteration": 3, "done": False}
    assert from_json(values) == report
    assert not is_message({"trial_id": "ray-0", "done": True})


def test_a_metric_may_be_nan() -> None:
    report = from_json(to_json(EpochReport(1, math.nan, "ab", 0.1)))
    assert isinstance(report, EpochReport) and math.isnan(report.value)


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"kind": "end", "status": "stopped", "epochs": 2, "why": ""}, "status"),
        ({"kind": "epoch", "epoch": "many", "value": 1.0}, "epoch"),
        ({"kind": "other"}, "kind"),
    ],
)
def test_an_invalid_message_is_refused_with_its_key(values: dict[str, object], key: str) -> None:
    with pytest.raises(RunFailure, match=f"message between driver and worker: .*{key}"):
        from_json(values)


def test_messages_need_neither_ray_nor_torch() -> None:
    code = (
        "import sys, genretune.tune.dispatch.messages, genretune.tune.dispatch.sweep_controller; "
        "assert not {'ray', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
