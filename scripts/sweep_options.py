"""The command-line options of a sweep that change no result; imports neither Ray nor torch."""

import datetime
import re
import time as clock
from enum import StrEnum
from typing import Annotated

import typer

from genretune.tune.dispatch.run_options import CHECKPOINT_EVERY, Resources, RunOptions
from genretune.tune.errors import TuneError

Address = Annotated[str, typer.Option(help="Ray cluster: local, auto or HOST:PORT")]
Concurrency = Annotated[
    int | None, typer.Option("--concurrency", "-W", min=1, help="number of concurrent trials")
]
TrialResources = Annotated[
    str | None, typer.Option("--resources", help="resources per trial, e.g. cpu=1,gpu=0.25")
]
Time = Annotated[
    str | None,
    typer.Option("--time", help="time limit, e.g. 8h or 1h30m; no segment starts after it"),
]
Until = Annotated[
    str | None,
    typer.Option(help="time of day as the limit, e.g. 07:30; no segment starts after it"),
]
HangTimeout = Annotated[
    float,
    typer.Option(
        min=1.0,
        help="seconds of silence before a worker counts as hung (at least 20 epochs)",
    ),
]
IoTimeout = Annotated[float, typer.Option(min=0.0, help="seconds to retry failing storage")]

GiveUpAfter = Annotated[
    int | None,
    typer.Option(min=1, help="workers that a trial may kill before it is declared failed"),
]

CheckpointEvery = Annotated[
    float,
    typer.Option(
        min=0.0,
        metavar="SECONDS",
        help="training that a kill may cost, at least an epoch; 0: a checkpoint after every epoch",
    ),
]


class KeepChoice(StrEnum):
    """``--keep``: which checkpoints of a finished trial are kept."""

    usual = "usual"
    best = "best"
    all = "all"
    none = "none"


KeepOption = Annotated[
    KeepChoice | None,
    typer.Option(
        "--keep", help="checkpoints to keep of finished trials; default: the space's rule"
    ),
]

StorageUri = Annotated[
    str | None,
    typer.Option("--storage", metavar="URI", help="s3://BUCKET/PREFIX for checkpoints and records"),
]

MachineClass = Annotated[
    str | None,
    typer.Option("--machine-class", help="machine class to run on: any unique part of its name"),
]
AllowMixed = Annotated[
    bool,
    typer.Option("--allow-mixed", help="allow several machine classes; each trial stays on one"),
]
AcceptEnvironment = Annotated[
    bool,
    typer.Option(
        "--accept-new-environment",
        help="resume despite a changed machine class, version or code",
    ),
]


def run_options(
    address: str,
    concurrency: int | None,
    resources: str | None,
    *,
    time: str | None,
    until: str | None,
    hang_timeout: float,
    io_timeout: float,
    keep: KeepChoice | None,
    machine_class: str | None,
    allow_mixed: bool,
    takeover: bool = False,
    accept_environment: bool = False,
    storage: str | None = None,
    give_up_after: int | None = None,
    checkpoint_every: float = CHECKPOINT_EVERY,
) -> RunOptions:
    """Return the run options of command-line options.

    Raises:
        TuneError: one of them is invalid.
    """
    if address not in ("local", "auto") and ":" not in address:
        raise TuneError(f"--address: must be local, auto or HOST:PORT, got {address}")
    if time is not None and until is not None:
        raise TuneError("--until: must not be combined with --time, got both")
    seconds = None if time is None else _duration_seconds(time)
    if until is not None:
        seconds = _seconds_until(until, datetime.datetime.now())
    return RunOptions(
        address=address,
        concurrency=concurrency,
        resources=parse_resources(resources),
        takeover=takeover,
        until=None if seconds is None else clock.time() + seconds,
        hang_timeout=hang_timeout,
        io_timeout=io_timeout,
        keep=None if keep is None else keep.value,
        machine_class=machine_class,
        allow_mixed=allow_mixed,
        accept_environment=accept_environment,
        storage=storage,
        give_up_after=give_up_after,
        checkpoint_every=checkpoint_every,
    )


def parse_resources(text: str | None) -> Resources | None:
    """Return the resources that ``--resources`` names; what it leaves out depends on the device.

    Raises:
        TuneError: it is invalid.
    """
    if text is None:
        return None
    amounts = {}
    for part in text.split(","):
        name, _, amount = part.partition("=")
        try:
            amounts[name.strip()] = float(amount)
        except ValueError:
            amounts[name.strip()] = -1.0  # refused below
    is_number = all(0 <= value < float("inf") for value in amounts.values())  # not so for a NaN
    if not amounts.keys() <= {"cpu", "gpu"} or not is_number:
        raise TuneError(f"--resources: must be like cpu=1,gpu=0.25, got {text}")
    gpu = amounts.get("gpu", 0.0)
    if gpu > 1 and not gpu.is_integer():
        raise TuneError(
            "--resources: gpu must be a fraction up to 1 or a whole number, "
            f"got {gpu:g} (Ray places a fraction on one GPU: set gpu=1 or less)"
        )
    return Resources(**amounts)


def _duration_seconds(text: str) -> float:
    match = re.fullmatch(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?:in)?)?(?:(\d+)s)?", text.strip())
    if not text.strip() or match is None:
        raise TuneError(f"--time: must be a duration such as 8h, 90m or 1h30m, got {text}")
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)


def _seconds_until(text: str, now: datetime.datetime) -> float:
    """Return the seconds until the next such time of day, today or tomorrow."""
    if not re.fullmatch(r"\d?\d:\d\d", text):
        raise TuneError(f"--until: must be a time of day such as 07:30, got {text}")
    try:
        time = datetime.time.fromisoformat(text.zfill(5))
    except ValueError:
        raise TuneError(f"--until: must be a time of day such as 07:30, got {text}") from None
    end = datetime.datetime.combine(now.date(), time)
    if end <= now:
        end += datetime.timedelta(days=1)
    return (end - now).total_seconds()
