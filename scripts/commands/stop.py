"""``genretune stop``: stop one trial, or drain a sweep; recorded in the journal."""

import time
from pathlib import Path
from typing import Annotated

import typer

from genretune.tune.errors import RunFailure, TuneError
from genretune.tune.storage.run_dir import RunDir

_POLL_INTERVAL = 0.2  # s


def stop(
    run_directory: Annotated[Path, typer.Argument(metavar="RUN", help="the run directory")],
    trial: Annotated[
        int | None,
        typer.Argument(
            metavar="TRIAL", min=0, help="the trial to stop; omit it to drain the sweep"
        ),
    ] = None,
    wait: Annotated[
        float, typer.Option(min=0.0, help="seconds to wait for the driver to process the request")
    ] = 30.0,
) -> int:
    """Stop a trial after its last reported epoch, or a sweep after each trial's current epoch.

    A sweep that was stopped continues with genretune resume; a trial that was stopped is final.

    Example: genretune stop runs/quickstart 17
    """
    from genretune.tune.run.results import read_state

    run = RunDir(run_directory)
    run.sweep()  # refuses what is not a run directory
    state = read_state(run)
    if trial is not None:
        if trial >= len(state.trials):
            raise TuneError(f"TRIAL: must have been created, got {trial} of {len(state.trials)}")
        if state.trials[trial].final:
            raise TuneError(
                f"TRIAL: must be open, got trial {trial}, which is {state.trials[trial].status}"
            )
    if run.has_driver():
        return _request_from_driver(run, trial, wait)
    if trial is None:
        raise TuneError(f"{run.path}: must have a running driver to be drained, got none")
    return _stop_without_driver(run, trial)


def _request_from_driver(run: RunDir, trial: int | None, wait: float) -> int:
    """Request the driver to stop, and wait until it has, or has exited without doing so."""
    from genretune.tune.run.results import read_state
    from genretune.tune.run.stop_requests import request_stop

    request = request_stop(run, trial)
    deadline = time.monotonic() + wait
    while request.exists():
        if not run.has_driver():
            request.unlink(missing_ok=True)
            return _driver_exited(run, trial)
        if time.monotonic() > deadline:
            raise RunFailure(
                f"{run.path}: driver must process a stop request within {wait:g} s, got no "
                "reaction yet (the request stays pending)"
            )
        time.sleep(_POLL_INTERVAL)
    if trial is None:
        print("the sweep is draining")
    else:
        # not necessarily stopped: it may have ended by itself before the driver saw the request
        print(f"trial {trial}: {read_state(run).trials[trial].status}")
    return 0


def _driver_exited(run: RunDir, trial: int | None) -> int:
    """Handle a driver that exited before it processed the request."""
    from genretune.tune.run.results import read_state

    if trial is None:
        print("the driver has exited in the meantime")
    elif status := read_state(run).trials[trial].status:
        print(f"trial {trial}: {status}")
    else:
        return _stop_without_driver(run, trial)
    return 0


def _stop_without_driver(run: RunDir, trial: int) -> int:
    """Record the stop in the journal, holding the lock so that no driver can start meanwhile."""
    from genretune.tune.run.journal import Journal
    from genretune.tune.space.load import space_from_json
    from genretune.tune.sweep.state_machine import StateMachine

    with run.drive(), Journal(run.journal) as journal:
        state_machine = StateMachine(space_from_json(run.sweep()["space"]), journal.events)
        state_machine.stop(trial)
        journal.append(state_machine.take_events())
    print(f"trial {trial}: stopped")
    return 0
