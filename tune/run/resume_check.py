"""Whether a sweep may resume in this environment, which its results depend on to the bit."""

from collections.abc import Mapping, Sequence
from typing import Any

from genretune.tune.errors import RecordMismatch
from genretune.tune.sweep.events import Driver, Event

_RELEVANT_KEYS = (
    "machine_class",
    "python",
    "genretune",
    "torch",
    "torchaudio",
    "numpy",
    "scipy",
    "optuna",
    "pyarrow",
    "soundfile",
    "soxr",
)


def last_environment(events: Sequence[Event]) -> Mapping[str, object]:
    """Return the environment of the previous driver; empty before the first."""
    environments = [event.environment for event in events if isinstance(event, Driver)]
    return environments[-1] if environments else {}


def check_environment(
    before: Mapping[str, object], now: Mapping[str, Any], *, accepted: bool
) -> None:
    """Check that everything results depend on to the bit is unchanged.

    Args:
        before: the environment of the previous driver; keys that it lacks are not compared.
        accepted: whether the user allows differences.

    Raises:
        RecordMismatch: something has changed, and differences are not accepted.
    """
    changes = [
        f"{name}: {before[name]} -> {now.get(name)}"
        for name in _RELEVANT_KEYS
        if name in before and before[name] != now.get(name)
    ]
    if "code" in before and before["code"] != now.get("code"):
        changes.append(
            "genretune's own code has been edited or replaced since: "
            f"{_short_digest(before['code'])} -> {_short_digest(now.get('code'))}"
        )
    if changes and not accepted:
        raise RecordMismatch(
            f"resume: must run in the environment of the sweep so far, got {'; '.join(changes)} "
            "(--accept-new-environment allows it; bit equality is then promised only within each "
            "environment)"
        )


def _short_digest(digest: object) -> str:
    return str(digest)[:12]
