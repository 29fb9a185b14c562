"""Train a recorded trial again and compare it with its record, bit for bit in every epoch."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from genretune.data.store import Store
from genretune.tune.errors import DamagedRecord
from genretune.tune.reproducibility.environment import available_device, differences, environment
from genretune.tune.reproducibility.gpu_memory import empty_gpu_cache, limit_gpu_memory
from genretune.tune.training.components import Plugins
from genretune.tune.training.config import TrialConfig
from genretune.tune.training.metrics import COLUMNS
from genretune.tune.training.record_text import LONG_COLUMNS
from genretune.tune.training.snapshot import Checkpoint
from genretune.tune.training.train import Outcome, train

ReplayVerdict = Literal["exact", "diverged", "not comparable"]
# Everything but the duration of an epoch, which is not a result.
_COMPARED = ("weights_sha256", *(c for c in COLUMNS if c not in ("seconds", "weights_sha256")))
# "diverged" means that the bits differ; it is unrelated to the trial status of the same name.
EXIT_CODES: dict[ReplayVerdict, int] = {"exact": 0, "diverged": 4, "not comparable": 5}


@dataclass(frozen=True)
class Difference:
    """The first difference between a record and its replay.

    Attributes:
        what: ``weights_sha256``, a column of ``metrics.tsv``, ``status``, or ``epochs`` if the
            numbers of epochs differ.
    """

    epoch: int
    what: str
    recorded: Any
    replayed: Any


@dataclass(frozen=True)
class ReplayResult:
    """The verdict of a replay, with its reasons.

    Attributes:
        trial: index in its sweep; None for a configuration on its own.
        epochs: number of epochs that were trained again.
        environment_differences: lines ``name: recorded -> current``.
        distance: largest absolute difference of each metric over the epochs; None if exact.
        why: one line, if the trial could not be compared.
    """

    trial: int | None
    verdict: ReplayVerdict
    epochs: int
    first_difference: Difference | None
    environment_differences: list[str]
    distance: dict[str, float] | None = None
    why: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the fields as plain JSON values."""
        return asdict(self)


def replay(
    config: TrialConfig,
    store: Store,
    result: Mapping[str, Any] | None,
    *,
    trial: int | None = None,
    plugins: Plugins | None = None,
) -> ReplayResult:
    """Train ``config`` for as many epochs as ``result`` records, and compare every bit.

    The bits decide: equal bits are ``exact`` on any machine class. Different bits are ``diverged``
    on the recorded machine class, and ``not comparable`` on another one. A trial that was granted
    a share of a GPU gets the same share here, so that a GPU of its own is no other machine class.

    Args:
        result: content of the trial's ``result.json``; None to train without a comparison.
        trial: index for the report.
        plugins: loaded plug-ins by file name.

    Raises:
        DamagedRecord: a recorded epoch lacks a value, or the share of the GPU is none.
        TuneError, DataError, ModelError: the configuration cannot be trained on ``store``.
    """
    if result is not None and config.device == "cuda" and available_device() == "cpu":
        why = "it was recorded on a GPU, and this machine has none"
        return ReplayResult(trial, "not comparable", 0, None, [], why=why)
    recorded: Sequence[Mapping[str, Any]] = [] if result is None else result["history"]
    if missing := [name for record in recorded for name in _COMPARED if name not in record]:
        raise DamagedRecord(f"result.json: must have {missing[0]} in every epoch, got one without")
    # A trial that ran to its end must end at the same epoch again. Any other trial was cut off
    # (pruned, stopped, failed or still running), so the replay is cut off at its last epoch.
    last_epoch = len(recorded) if result is not None and not _ended(result) else None

    def on_epoch(checkpoint: Checkpoint) -> bool:
        return last_epoch is None or checkpoint.epoch < last_epoch

    gpu_share = _gpu_share(result)
    if last_epoch == 0:
        outcome = Outcome("interrupted", (), "no epoch was recorded")
    else:
        if config.device == "cuda":
            empty_gpu_cache()  # of the trial that was replayed before
            limit_gpu_memory(gpu_share)
        outcome = train(config, store, on_epoch=on_epoch, plugins=plugins)
    current = environment(config.device, config.determinism, gpu_share)
    if result is None or not result["segments"] or last_epoch == 0:
        why = "there is no record to compare with"
        return ReplayResult(trial, "not comparable", len(outcome.history), None, [], why=why)
    return _compare(result, outcome, current, trial)


def _compare(
    result: Mapping[str, Any], outcome: Outcome, current: Mapping[str, Any], trial: int | None
) -> ReplayResult:
    """Return the verdict on a replay; ``current`` is the environment that it ran in."""
    recorded = result["history"]
    difference = first_difference(recorded, outcome.history)
    if difference is None and _ended(result) and outcome.status != result["status"]:
        difference = Difference(len(recorded), "status", result["status"], outcome.status)
    changes = _environment_differences(result, current)
    if difference is None:
        return ReplayResult(trial, "exact", len(outcome.history), None, changes)
    same_machine_class = all(
        segment["environment"]["machine_class"] == current["machine_class"]
        for segment in result["segments"]
    )
    return ReplayResult(
        trial,
        "diverged" if same_machine_class else "not comparable",
        len(outcome.history),
        difference,
        changes,
        distance=_distance(recorded, outcome.history),
        why="" if same_machine_class else "it was recorded on another machine class",
    )


def _gpu_share(result: Mapping[str, Any] | None) -> float:
    """Return the share of its GPU that a trial was granted last; 1.0 if nothing is recorded.

    A trial with several shares has run on several machine classes, and is compared with one.

    Raises:
        DamagedRecord: it is not above 0 and at most 1.
    """
    segments = [] if result is None else result["segments"]
    share = segments[-1]["environment"].get("gpu_share", 1.0) if segments else 1.0
    if not isinstance(share, int | float) or not 0.0 < share <= 1.0:
        raise DamagedRecord(
            f"result.json: gpu_share must be above 0 and at most 1, got {share!r} "
            "(restore the file)"
        )
    return float(share)


def _ended(result: Mapping[str, Any]) -> bool:
    """Return whether a trial ran to its end, rather than being cut off."""
    return result["status"] in ("completed", "diverged")


def first_difference(
    recorded: Sequence[Mapping[str, Any]], replayed: Sequence[Mapping[str, Any]]
) -> Difference | None:
    """Return the first difference between two histories, ignoring ``seconds``; None if equal."""
    for old, new in zip(recorded, replayed, strict=False):
        for name in (*_COMPARED, *(column for column in LONG_COLUMNS if column in old)):
            if old[name] != new.get(name):
                return Difference(old["epoch"], name, old[name], new.get(name))
    if len(recorded) != len(replayed):
        shorter = min(len(recorded), len(replayed))
        return Difference(shorter + 1, "epochs", len(recorded), len(replayed))
    return None


def _environment_differences(result: Mapping[str, Any], current: Mapping[str, Any]) -> list[str]:
    """Return the differences of all segments' environments, each once, in order."""
    lines: dict[str, None] = {}
    for segment in result["segments"]:
        lines |= dict.fromkeys(differences(segment["environment"], current))
    return list(lines)


def _distance(
    recorded: Sequence[Mapping[str, Any]], replayed: Sequence[Mapping[str, Any]]
) -> dict[str, float]:
    """Return the largest absolute difference of each metric over the common epochs."""
    names = [name for name in _COMPARED if name not in ("weights_sha256", "epoch")]
    pairs = list(zip(recorded, replayed, strict=False))
    return {name: max((abs(a[name] - b[name]) for a, b in pairs), default=0.0) for name in names}
