"""Whether a sweep may go on in this environment: its bits depend on it."""

from collections.abc import Mapping, Sequence
from typing import Any

from genretune.tune.errors import RecordMismatch
from genretune.tune.sweep.events import Driver, Event

_MATTER = (
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
    """The environment of the driver before this one; empty before the first."""
    drivers = [event.environment for event in events if isinstance(event, Driver)]
    return drivers[-1] if drivers else {}


def check_environment(
    before: Mapping[str, object], now: Mapping[str, Any], *, accepted: bool
) -> None:
    """See that what bits depend on is as it was.

    Raises:
        RecordMismatch: it is not, and the user has not said that it may differ.
    """
    changed = [
        f"{name}: {before[name]} -> {now.get(name)}"
        for name in _MATTER
        if name in before and before[name] != now.get(name)
    ]
    if "code" in before and before["code"] != now.get("code"):
        changed.append(
            "genretune's own code has been edited or replaced since: "
            f"{_cut(before['code'])} -> {_cut(now.get('code'))}"
        )
    if changed and not accepted:
        raise RecordMismatch(
            f"resume: must go on in the environment that it ran in, got {'; '.join(changed)} "
            "(--accept-new-environment goes on; equal bits are then promised within each part only)"
        )


def _cut(digest: object) -> str:
    return str(digest)[:12]
