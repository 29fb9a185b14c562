"""``genretune stop``: end one trial, or drain a sweep; journaled like everything else."""

import time
from pathlib import Path
from typing import Annotated

import typer

from genretune.tune.errors import RunFailure, TuneError
from genretune.tune.storage.run_dir import RunDir

_EVERY = 0.2  # s


def stop(
    run_directory: Annotated[Path, typer.Argument(metavar="RUN", help="the run directory")],
    trial: Annotated[
        int | None, typer.Argument(metavar="TRIAL", min=0, help="one trial; without it, the sweep")
    ] = None,
    wait: Annotated[
        float, typer.Option(min=0.0, help="how long to wait for the driver's answer, s")
    ] = 30.0,
) -> int:
    """Stop a trial where it is, or let a sweep end at the next epochs; resume goes on with it.

    Example: genretune stop runs/quickstart 17
    """
    from genretune.tune.run.results import read_state

    run = RunDir(run_directory)
    run.sweep()
    state = read_state(run)
    if trial is not None:
        if trial >= len(state.trials):
            raise TuneError(f"TRIAL: must have been created, got {trial} of {len(state.trials)}")
        if state.trials[trial].final:
            raise TuneError(f"TRIAL: must be open, got {trial}, {state.trials[trial].status}")
    if run.driving():
        return _ask(run, trial, wait)
    if trial is None:
        raise TuneError(f"{run.path}: nobody drives it, so there is nothing to drain")
    return _stop_at_rest(run, trial)


def _ask(run: RunDir, trial: int | None, wait: float) -> int:
    from genretune.tune.run.results import read_state
    from genretune.tune.run.stop_requests import request_stop

    request = request_stop(run, trial)
    end = time.monotonic() + wait
    while request.exists():
        if not run.driving():
            request.unlink(missing_ok=True)
            return _at_rest(run, trial)
        if time.monotonic() > end:
            raise RunFailure(
                f"{run.path}: its driver has not answered for {wait:g} s (it will, once it can)"
            )
        time.sleep(_EVERY)
    if trial is None:
        print("the sweep is draining")
    else:  # it may have come to its own end meanwhile
        print(f"trial {trial}: {read_state(run).trials[trial].status}")
    return 0


def _at_rest(run: RunDir, trial: int | None) -> int:
    """The driver ended before it heard."""
    from genretune.tune.run.results import read_state

    if trial is None:
        print("its driver has ended meanwhile")
    elif status := read_state(run).trials[trial].status:
        print(f"trial {trial}: {status}")
    else:
        return _stop_at_rest(run, trial)
    return 0


def _stop_at_rest(run: RunDir, trial: int) -> int:
    """Journal it without a driver, under the lock."""
    from genretune.tune.run.journal import Journal
    from genretune.tune.space.load import space_from_json
    from genretune.tune.sweep.state_machine import StateMachine

    with run.drive(), Journal(run.journal) as journal:
        state_machine = StateMachine(space_from_json(run.sweep()["space"]), journal.events)
        state_machine.stop(trial)
        journal.append(state_machine.take())
    print(f"trial {trial}: stopped")
    return 0
