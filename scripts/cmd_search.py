"""``genretune search`` and ``genretune resume``: run a sweep, or go on with one."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from genretune.scripts.terminal import complain
from genretune.tune.errors import TuneError
from genretune.tune.levels import start_anew
from genretune.tune.rundir import RunFolder

Address = Annotated[str, typer.Option(help="Ray: local, auto or HOST:PORT")]
Concurrency = Annotated[
    int | None, typer.Option("--concurrency", "-W", min=1, help="trials at once")
]
Granted = Annotated[
    str | None, typer.Option("--resources", help="of one trial, e.g. cpu=1,gpu=0.25")
]
Plugins = Annotated[list[Path] | None, typer.Option("--plugin", help="your models or features")]
Strict = Annotated[
    bool, typer.Option("--strict-exit", help="exit 3 where a trial failed or diverged")
]


def search(
    space: Annotated[Path, typer.Argument(metavar="SPACE.yaml", help="the search space")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="key=value, e.g. trial.epochs=10")
    ] = None,
    data: Annotated[Path | None, typer.Option(metavar="DIR", help="the corpus")] = None,
    trials: Annotated[int | None, typer.Option(min=1, help="how many trials")] = None,
    out: Annotated[Path | None, typer.Option(help="run directory; default runs/NAME")] = None,
    address: Address = "local",
    concurrency: Concurrency = None,
    resources: Granted = None,
    plugin: Plugins = None,
    strict_exit: Strict = False,
) -> int:
    """Run the sweep of a search space on the audio below DIR, one folder a class.

    Example: genretune search search_spaces/quickstart.yaml --data DIR --trials 12
    """
    from genretune.tune.space.load import load_space

    given = [*(overrides or []), *([f"trials={trials}"] if trials is not None else [])]
    found = load_space(space, given)
    if data is None:
        raise TuneError("--data: must name the corpus, got nothing (--data DIR)")
    start_anew(found.trial.get("determinism", "strict"), sys.argv[1:])  # type: ignore[arg-type]
    run = RunFolder(out or Path("runs") / found.name)
    run.require_new()
    from genretune.scripts.driving import drive_and_show, options_of
    from genretune.tune.prepare import new_sweep

    options = options_of(address, concurrency, resources)
    sweep = new_sweep(found, data, plugins=plugin or [], overrides=given)
    for note in found.notes:
        complain(f"note: {note}")
    run.create(space.read_text(), sweep.as_json())
    return drive_and_show(run, sweep, options, strict_exit=strict_exit)


def resume(
    run_directory: Annotated[Path, typer.Argument(metavar="RUN", help="the run directory")],
    trials: Annotated[
        str | None, typer.Option(help="trials in all (50), or more by so many (+30)")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="where the corpus is now")
    ] = None,
    give_up: Annotated[list[int] | None, typer.Option(help="declare a lost trial failed")] = None,
    takeover: Annotated[
        bool, typer.Option("--takeover", help="from a driver on another host, known to be gone")
    ] = False,
    address: Address = "local",
    concurrency: Concurrency = None,
    resources: Granted = None,
    plugin: Plugins = None,
    strict_exit: Strict = False,
) -> int:
    """Go on with a sweep after a kill, a crash or a lost node; with more trials, extend it.

    Example: genretune resume runs/quickstart --trials +30
    """
    run = RunFolder(run_directory)
    saved = run.sweep()
    start_anew(saved["determinism"], sys.argv[1:])
    from genretune.scripts.driving import (
        check_unedited,
        drive_and_show,
        options_of,
        wishes,
    )
    from genretune.tune.prepare import saved_sweep

    options = options_of(address, concurrency, resources, takeover=takeover)
    check_unedited(run, saved)
    sweep = saved_sweep(saved, folder=data, plugins=plugin or [])
    before = wishes(trials, give_up or [])
    return drive_and_show(run, sweep, options, before=before, strict_exit=strict_exit)
