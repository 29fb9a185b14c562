"""Run a recorded trial again and compare it, epoch by epoch, to the bit."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from genretune.data.store import Store
from genretune.tune.errors import DamagedRecord
from genretune.tune.reproducibility.environment import available_device, differences, environment
from genretune.tune.training.components import Plugins
from genretune.tune.training.config import TrialConfig
from genretune.tune.training.metrics import COLUMNS
from genretune.tune.training.snapshot import Checkpoint
from genretune.tune.training.train import Outcome, train

ReplayVerdict = Literal["exact", "diverged", "not comparable"]
# Seconds are no part of a result.
_COMPARED = ("weights_sha256", *(c for c in COLUMNS if c not in ("seconds", "weights_sha256")))
EXIT_CODES: dict[ReplayVerdict, int] = {"exact": 0, "diverged": 4, "not comparable": 5}


@dataclass(frozen=True)
class Difference:
    """The first thing that differs between a record and its replay."""

    epoch: int
    what: str
    recorded: Any
    replayed: Any


@dataclass(frozen=True)
class ReplayResult:
    """What a replay found.

    Attributes:
        trial: index in its sweep; None for a configuration on its own.
        epochs: how many were run and compared.
        environment_differences: ``name: recorded -> current``.
        distance: largest absolute difference of each metric over the epochs, where not exact.
    """

    trial: int | None
    verdict: ReplayVerdict
    epochs: int
    first_difference: Difference | None
    environment_differences: list[str]
    distance: dict[str, float] | None = None
    why: str = ""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def replay(
    config: TrialConfig,
    store: Store,
    result: Mapping[str, Any] | None,
    *,
    trial: int | None = None,
    plugins: Plugins | None = None,
) -> ReplayResult:
    """Train ``config`` as far as ``result`` records and say whether every bit agrees.

    Args:
        result: ``result.json`` of the trial; None trains and has nothing to compare with.
    """
    if result is not None and config.device == "cuda" and available_device() == "cpu":
        why = "it was recorded on a GPU, and there is none here"
        return ReplayResult(trial, "not comparable", 0, None, [], why=why)
    recorded: Sequence[Mapping[str, Any]] = [] if result is None else result["history"]
    if lacking := [name for record in recorded for name in _COMPARED if name not in record]:
        raise DamagedRecord(f"result.json: every epoch must have {lacking[0]}, got one without")
    ended = result is not None and result["status"] in ("completed", "diverged")
    wanted = len(recorded) if result is not None and not ended else None

    def on_epoch(checkpoint: Checkpoint) -> bool:
        return wanted is None or checkpoint.epoch < wanted

    if wanted == 0:
        outcome = Outcome("interrupted", (), "nothing was recorded")
    else:
        outcome = train(config, store, on_epoch=on_epoch, plugins=plugins)
    present = environment(config.device, config.determinism)
    if result is None or not result["segments"] or (wanted == 0):
        why = "there is no record to compare with"
        return ReplayResult(trial, "not comparable", len(outcome.history), None, [], why=why)
    found = first_difference(recorded, outcome.history)
    if found is None and ended and outcome.status != result["status"]:
        found = Difference(len(recorded), "status", result["status"], outcome.status)
    changed = _environment_differences(result, present)
    if found is None:
        return ReplayResult(trial, "exact", len(outcome.history), None, changed)
    same_class = all(
        segment["environment"]["machine_class"] == present["machine_class"]
        for segment in result["segments"]
    )
    return ReplayResult(
        trial,
        "diverged" if same_class else "not comparable",
        len(outcome.history),
        found,
        changed,
        distance=_distance(recorded, outcome.history),
        why="" if same_class else "it was recorded on another machine class",
    )


def first_difference(
    recorded: Sequence[Mapping[str, Any]], replayed: Sequence[Mapping[str, Any]]
) -> Difference | None:
    """The first epoch and value in which two histories differ; seconds do not count."""
    for old, new in zip(recorded, replayed, strict=False):
        for name in _COMPARED:
            if old[name] != new[name]:
                return Difference(old["epoch"], name, old[name], new[name])
    if len(recorded) != len(replayed):
        shorter = min(len(recorded), len(replayed))
        return Difference(shorter + 1, "epochs", len(recorded), len(replayed))
    return None


def _environment_differences(result: Mapping[str, Any], present: Mapping[str, Any]) -> list[str]:
    found: dict[str, None] = {}
    for segment in result["segments"]:
        found |= dict.fromkeys(differences(segment["environment"], present))
    return list(found)


def _distance(
    recorded: Sequence[Mapping[str, Any]], replayed: Sequence[Mapping[str, Any]]
) -> dict[str, float]:
    names = [name for name in _COMPARED if name not in ("weights_sha256", "epoch")]
    pairs = list(zip(recorded, replayed, strict=False))
    return {name: max((abs(a[name] - b[name]) for a, b in pairs), default=0.0) for name in names}
