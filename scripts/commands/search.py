"""``genretune search`` and ``genretune resume``: run a sweep, or continue one."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from genretune.scripts import sweep_options
from genretune.scripts.terminal import packing_progress, print_error, status_spinner
from genretune.tune.dispatch.run_options import CHECKPOINT_EVERY, RunOptions
from genretune.tune.dispatch.signals import (
    INTERRUPTION_EXIT_CODES,
    Interrupted,
    StopSignal,
    handle_signals,
)
from genretune.tune.errors import TuneError
from genretune.tune.reproducibility.determinism_env import reexec_with_level
from genretune.tune.storage.run_dir import RunDir
from genretune.tune.storage.s3_run import require_new

Plugins = Annotated[
    list[Path] | None, typer.Option("--plugin", help="Python file with your own models or features")
]
Strict = Annotated[
    bool, typer.Option("--strict-exit", help="exit with 3 if a trial failed or diverged")
]
TotalOrIncrement = Annotated[
    str | None, typer.Option(help="total number of trials (50) or an increment (+30)")
]
MovedData = Annotated[Path | None, typer.Option(metavar="DIR", help="the corpus, if it was moved")]
Overrides = Annotated[
    list[str] | None, typer.Argument(help="key=value, e.g. trial.optimizer.lr=1e-5")
]
Trials = Annotated[int | None, typer.Option(min=1, help="number of trials; default: the space's")]
Top = Annotated[int, typer.Option(min=1, help="how many, with --start-from")]
StartFrom = Annotated[
    Path | None,
    typer.Option(metavar="RUN", help="try the best configurations of an earlier sweep first"),
]
GiveUp = Annotated[list[int] | None, typer.Option(help="lost trial to declare failed")]
Takeover = Annotated[
    bool,
    typer.Option("--takeover", help="replace a driver on another host that is known to be dead"),
]


def search(
    space: Annotated[Path, typer.Argument(metavar="SPACE.yaml", help="the search space")],
    overrides: Overrides = None,
    data: Annotated[Path | None, typer.Option(metavar="DIR", help="the corpus")] = None,
    trials: Trials = None,
    start_from: StartFrom = None,
    top: Top = 5,
    out: Annotated[Path | None, typer.Option(help="run directory; default runs/NAME")] = None,
    address: sweep_options.Address = "local",
    concurrency: sweep_options.Concurrency = None,
    resources: sweep_options.TrialResources = None,
    time: sweep_options.Time = None,
    until: sweep_options.Until = None,
    hang_timeout: sweep_options.HangTimeout = 600.0,
    io_timeout: sweep_options.IoTimeout = 600.0,
    give_up_after: sweep_options.GiveUpAfter = None,
    checkpoint_every: sweep_options.CheckpointEvery = CHECKPOINT_EVERY,
    keep: sweep_options.KeepOption = None,
    storage: sweep_options.StorageUri = None,
    machine_class: sweep_options.MachineClass = None,
    allow_mixed: sweep_options.AllowMixed = False,
    plugin: Plugins = None,
    strict_exit: Strict = False,
) -> int:
    """Run the sweep of a search space on the audio below DIR, which has one folder per class.

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
        give_up_after=give_up_after,
        checkpoint_every=checkpoint_every,
        keep=keep,
        machine_class=machine_class,
        allow_mixed=allow_mixed,
        storage=storage,
    )
    all_overrides = [*(overrides or [])]
    if trials is not None:
        all_overrides.append(f"trials={trials}")
    return _interruptibly(
        lambda stop_signal: _search(
            space,
            all_overrides,
            data,
            out,
            start_from=None if start_from is None else (start_from, top),
            options=options,
            plugins=plugin or [],
            strict=strict_exit,
            stop_signal=stop_signal,
        )
    )


def _search(
    space: Path,
    overrides: list[str],
    data: Path | None,
    out: Path | None,
    *,
    start_from: tuple[Path, int] | None,
    options: RunOptions,
    plugins: list[Path],
    strict: bool,
    stop_signal: StopSignal,
) -> int:
    from genretune.tune.run import start_from as run_start_from
    from genretune.tune.space.load import load_space

    loaded = load_space(space, overrides)
    notes: list[str] = []
    if start_from is not None:
        first_trials, notes = run_start_from.start_from(start_from[0], loaded, start_from[1])
        # as an override, which sweep.json records and every resume applies again
        overrides = [*overrides, first_trials]
        loaded = load_space(space, overrides)
    if data is None:
        raise TuneError("--data: must name the corpus, got nothing (add --data DIR)")
    reexec_with_level(loaded.trial.get("determinism", "strict"), sys.argv[1:])  # type: ignore[arg-type]
    run = RunDir(out or Path("runs") / loaded.name)
    run.require_new()
    if options.storage is not None:
        require_new(options.storage)
    with status_spinner("loading torch") as say:
        from genretune.scripts.launch import driver_job, exec_driver, sweep_device
        from genretune.tune.dispatch.driver_job import NewRun
        from genretune.tune.run.sweep_setup import new_sweep

        say("checking the search space and the corpus")
        sweep = new_sweep(
            loaded,
            data,
            device=sweep_device(loaded, options),
            plugins=plugins,
            overrides=overrides,
            progress=packing_progress(say),
        )
    for note in (*notes, *loaded.notes):
        print_error(f"note: {note}")
    stop_signal.check()
    new_run = NewRun(space.read_text(), sweep.as_json())
    changes = {"peak_memory": sweep.peak_memory(), "strict_exit": strict}
    exec_driver(driver_job(run, sweep, options, new_run=new_run, **changes))


def resume(
    run_directory: Annotated[Path, typer.Argument(metavar="RUN", help="the run directory")],
    trials: TotalOrIncrement = None,
    data: MovedData = None,
    give_up: GiveUp = None,
    takeover: Takeover = False,
    address: sweep_options.Address = "local",
    concurrency: sweep_options.Concurrency = None,
    resources: sweep_options.TrialResources = None,
    time: sweep_options.Time = None,
    until: sweep_options.Until = None,
    hang_timeout: sweep_options.HangTimeout = 600.0,
    io_timeout: sweep_options.IoTimeout = 600.0,
    give_up_after: sweep_options.GiveUpAfter = None,
    checkpoint_every: sweep_options.CheckpointEvery = CHECKPOINT_EVERY,
    keep: sweep_options.KeepOption = None,
    storage: sweep_options.StorageUri = None,
    machine_class: sweep_options.MachineClass = None,
    allow_mixed: sweep_options.AllowMixed = False,
    accept_new_environment: sweep_options.AcceptEnvironment = False,
    plugin: Plugins = None,
    strict_exit: Strict = False,
) -> int:
    """Continue a sweep after a kill, a crash or a lost node; with more trials, extend it.

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
        give_up_after=give_up_after,
        checkpoint_every=checkpoint_every,
        keep=keep,
        machine_class=machine_class,
        allow_mixed=allow_mixed,
        takeover=takeover,
        accept_environment=accept_new_environment,
        storage=storage,
    )
    run = RunDir(run_directory)
    if trials is None and not give_up and _is_finished(run):
        return _show_end(run, strict_exit)
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
        from genretune.tune.run.sweep_setup import reopen_sweep

        check_trials(trials)
        keep = check_unedited(run, saved)
        options = replace(
            options, keep=options.keep or keep, storage=storage_of(run, options.storage)
        )
        say("finding the corpus")
        sweep = reopen_sweep(saved, folder=data, plugins=plugins, progress=packing_progress(say))
    stop_signal.check()
    changes = {"trials": trials, "give_up": tuple(give_up), "strict_exit": strict}
    exec_driver(driver_job(run, sweep, options, **changes))


def _is_finished(run: RunDir) -> bool:
    """Return whether every trial has ended; needs neither torch nor Ray."""
    from genretune.tune.run.results import read_state

    state = read_state(run)
    return len(state.trials) >= state.total and all(trial.final for trial in state.trials)


def _show_end(run: RunDir, strict: bool) -> int:
    from genretune.scripts.show_results import show_end

    return show_end(run, strict=strict)


def _interruptibly(act: Callable[[StopSignal], int]) -> int:
    """Call ``act`` with the driver's signal handlers installed; return the exit code."""
    with handle_signals() as stop_signal:
        try:
            return act(stop_signal)
        except Interrupted:
            print_error("interrupted before the first trial was dispatched")
            return INTERRUPTION_EXIT_CODES[stop_signal.kind or "interrupted"]
