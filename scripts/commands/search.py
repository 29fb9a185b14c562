"""``genretune search`` and ``genretune resume``: run a sweep, or go on with one."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from genretune.scripts import sweep_options
from genretune.scripts.terminal import packing_progress, print_error, status_spinner
from genretune.tune.dispatch.run_options import RunOptions
from genretune.tune.dispatch.signals import EXIT, Interrupted, StopSignal, signals
from genretune.tune.errors import TuneError
from genretune.tune.reproducibility.determinism_env import reexec_with_level
from genretune.tune.storage.run_dir import RunDir
from genretune.tune.storage.s3_run import require_new

Plugins = Annotated[list[Path] | None, typer.Option("--plugin", help="your models or features")]
Strict = Annotated[
    bool, typer.Option("--strict-exit", help="exit 3 where a trial failed or diverged")
]


def search(
    space: Annotated[Path, typer.Argument(metavar="SPACE.yaml", help="the search space")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="key=value, e.g. trial.optimizer.lr=1e-5")
    ] = None,
    data: Annotated[Path | None, typer.Option(metavar="DIR", help="the corpus")] = None,
    trials: Annotated[int | None, typer.Option(min=1, help="how many trials")] = None,
    out: Annotated[Path | None, typer.Option(help="run directory; default runs/NAME")] = None,
    address: sweep_options.Address = "local",
    concurrency: sweep_options.Concurrency = None,
    resources: sweep_options.TrialResources = None,
    time: sweep_options.Time = None,
    until: sweep_options.Until = None,
    hang_timeout: sweep_options.HangTimeout = 600.0,
    io_timeout: sweep_options.IoTimeout = 600.0,
    keep: sweep_options.KeepOption = None,
    storage: sweep_options.StorageUri = None,
    machine_class: sweep_options.MachineClass = None,
    allow_mixed: sweep_options.AllowMixed = False,
    plugin: Plugins = None,
    strict_exit: Strict = False,
) -> int:
    """Run the sweep of a search space on the audio below DIR, one folder a class.

    Example: genretune search search_spaces/quickstart.yaml --data DIR --trials 12
    """
    options = sweep_options.run_options(
        address,
        concurrency,
        resources,
        time=time,
        until=until,
        hang_timeout=hang_timeout,
        io_timeout=io_timeout,
        keep=keep,
        machine_class=machine_class,
        allow_mixed=allow_mixed,
        storage=storage,
    )
    given = [*(overrides or []), *([f"trials={trials}"] if trials is not None else [])]
    return _interruptibly(
        lambda stop_signal: _search(
            space,
            given,
            data,
            out,
            options=options,
            plugins=plugin or [],
            strict=strict_exit,
            stop_signal=stop_signal,
        )
    )


def _search(
    space: Path,
    given: list[str],
    data: Path | None,
    out: Path | None,
    *,
    options: RunOptions,
    plugins: list[Path],
    strict: bool,
    stop_signal: StopSignal,
) -> int:
    from genretune.tune.space.load import load_space

    found = load_space(space, given)
    if data is None:
        raise TuneError("--data: must name the corpus, got nothing (--data DIR)")
    reexec_with_level(found.trial.get("determinism", "strict"), sys.argv[1:])  # type: ignore[arg-type]
    run = RunDir(out or Path("runs") / found.name)
    run.require_new()
    if options.storage is not None:
        require_new(options.storage)
    with status_spinner("loading torch") as say:
        from genretune.scripts.launch import driver_job, exec_driver
        from genretune.tune.run.sweep_setup import new_sweep

        say("checking the search space and the corpus")
        sweep = new_sweep(
            found, data, plugins=plugins, overrides=given, progress=packing_progress(say)
        )
    for note in found.notes:
        print_error(f"note: {note}")
    run.create(space.read_text(), sweep.as_json(), options.storage)
    stop_signal.check()
    exec_driver(driver_job(run, sweep, options, strict_exit=strict))


def resume(
    run_directory: Annotated[Path, typer.Argument(metavar="RUN", help="the run directory")],
    trials: Annotated[
        str | None, typer.Option(help="trials in all (50), or more by so many (+30)")
    ] = None,
    data: Annotated[Path | None, typer.Option(metavar="DIR", help="where the corpus is")] = None,
    give_up: Annotated[list[int] | None, typer.Option(help="declare a lost trial failed")] = None,
    takeover: Annotated[
        bool, typer.Option("--takeover", help="from a driver on another host, known to be gone")
    ] = False,
    address: sweep_options.Address = "local",
    concurrency: sweep_options.Concurrency = None,
    resources: sweep_options.TrialResources = None,
    time: sweep_options.Time = None,
    until: sweep_options.Until = None,
    hang_timeout: sweep_options.HangTimeout = 600.0,
    io_timeout: sweep_options.IoTimeout = 600.0,
    keep: sweep_options.KeepOption = None,
    storage: sweep_options.StorageUri = None,
    machine_class: sweep_options.MachineClass = None,
    allow_mixed: sweep_options.AllowMixed = False,
    accept_new_environment: sweep_options.AcceptEnvironment = False,
    plugin: Plugins = None,
    strict_exit: Strict = False,
) -> int:
    """Go on with a sweep after a kill, a crash or a lost node; with more trials, extend it.

    Example: genretune resume runs/quickstart --trials +30
    """
    options = sweep_options.run_options(
        address,
        concurrency,
        resources,
        time=time,
        until=until,
        hang_timeout=hang_timeout,
        io_timeout=io_timeout,
        keep=keep,
        machine_class=machine_class,
        allow_mixed=allow_mixed,
        takeover=takeover,
        accept_environment=accept_new_environment,
        storage=storage,
    )
    run = RunDir(run_directory)
    if trials is None and not give_up and _is_finished(run):
        return _nothing_left(run, strict_exit)
    return _interruptibly(
        lambda stop_signal: _resume(
            run,
            data,
            trials,
            give_up or [],
            options=options,
            plugins=plugin or [],
            strict=strict_exit,
            stop_signal=stop_signal,
        )
    )


def _resume(
    run: RunDir,
    data: Path | None,
    trials: str | None,
    give_up: list[int],
    *,
    options: RunOptions,
    plugins: list[Path],
    strict: bool,
    stop_signal: StopSignal,
) -> int:
    saved = run.sweep()
    reexec_with_level(saved["determinism"], sys.argv[1:])
    with status_spinner("loading torch") as say:
        from genretune.scripts.launch import (
            check_trials,
            check_unedited,
            driver_job,
            exec_driver,
            storage_of,
        )
        from genretune.tune.run.sweep_setup import saved_sweep

        check_trials(trials)
        keep = check_unedited(run, saved)
        options = replace(
            options, keep=options.keep or keep, storage=storage_of(run, options.storage)
        )
        say("finding the corpus")
        sweep = saved_sweep(saved, folder=data, plugins=plugins, progress=packing_progress(say))
    stop_signal.check()
    wishes = {"trials": trials, "give_up": tuple(give_up), "strict_exit": strict}
    exec_driver(driver_job(run, sweep, options, **wishes))


def _is_finished(run: RunDir) -> bool:
    """Whether every trial is over; found out without torch and without Ray."""
    from genretune.tune.run.results import read_state

    state = read_state(run)
    return len(state.trials) >= state.total and all(trial.final for trial in state.trials)


def _nothing_left(run: RunDir, strict: bool) -> int:
    from genretune.scripts.show_results import show_end

    return show_end(run, strict=strict)


def _interruptibly(act: Callable[[StopSignal], int]) -> int:
    """Do it under the signals that end a driver in order; the exit code."""
    with signals() as stop_signal:
        try:
            return act(stop_signal)
        except Interrupted:
            print_error("interrupted before the first trial was dispatched")
            return EXIT[stop_signal.kind or "interrupted"]
