"""The driver process: ``search`` and ``resume`` exec it once everything is checked."""

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import psutil

from genretune.scripts.progress import progress
from genretune.scripts.show_results import show_end
from genretune.scripts.terminal import print_error
from genretune.tune.dispatch.dispatch import Show
from genretune.tune.dispatch.driver import EXIT_CODES, DriverHooks, drive
from genretune.tune.dispatch.driver_job import DriverJob, job_from_json
from genretune.tune.dispatch.signals import (
    HANDLED_SIGNALS,
    INTERRUPTION_EXIT_CODES,
    Interrupted,
    StopSignal,
    handle_signals,
)
from genretune.tune.dispatch.sweep_controller import SweepController
from genretune.tune.errors import TuneError
from genretune.tune.run.journal import read_journal
from genretune.tune.run.results import read_state
from genretune.tune.space.load import note_on_size
from genretune.tune.storage.run_dir import RunDir
from genretune.tune.sweep.state_machine import StateMachine

_REASONS = {
    "stopped": "stopped by the user",
    "undecided": "not all trials could be decided: workers were lost (--give-up TRIAL)",
    "drained": "time limit reached",
    "interrupted": "interrupted",
    "terminated": "interrupted",
}


def main(arguments: list[str]) -> int:
    """Run the job in an open file; return the exit code.

    Args:
        arguments: the run directory, for lists of processes, and the number of the file.
    """
    with handle_signals() as stop_signal:
        try:
            # exec_driver blocked them; a signal that came meanwhile is delivered, and raises, here
            signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED_SIGNALS)
            return drive_and_show(_read_job(int(arguments[1])), stop_signal)
        except Interrupted:
            print_error("interrupted before the first trial was dispatched")
            return INTERRUPTION_EXIT_CODES[stop_signal.kind or "interrupted"]
        except TuneError as error:
            print_error(*str(error).splitlines())
            return error.exit_code


def _read_job(descriptor: int) -> DriverJob:
    with os.fdopen(descriptor, "rb") as file:
        file.seek(0)
        return job_from_json(file.read().decode())


def drive_and_show(job: DriverJob, stop_signal: StopSignal) -> int:
    """Drive with progress, then print the leaderboard and how to resume; return the exit code."""
    run = RunDir(Path(job.run))
    with progress() as show:
        hooks = DriverHooks(
            show=tolerate_closed_stdout(show),
            warn=print_error,
            prepare=lambda state_machine: apply_changes(state_machine, job),
        )
        end = drive(run, job, stop_signal=stop_signal, hooks=hooks)
    code = show_end(run, strict=job.strict_exit, finished=end == "finished")
    if end == "finished":
        return code
    if end == "undecided":
        print_error(*_last_losses(run))
    print_error(f"{_REASONS[end]}: continue with genretune resume {run.path}")
    return EXIT_CODES[end]


def tolerate_closed_stdout(show: Show) -> Show:
    """Wrap ``show`` so that the sweep continues when its output is closed (``| head``)."""

    def attempt(controller: SweepController) -> None:
        try:
            show(controller)
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            print_error("standard output is closed; the sweep continues")

    return attempt


def apply_changes(state_machine: StateMachine, job: DriverJob) -> None:
    """Apply the user's changes to the sweep: more trials, trials to give up."""
    if job.trials is not None:
        more = state_machine.state.target if job.trials.startswith("+") else 0
        state_machine.extend(more + int(job.trials.removeprefix("+")))
        if note := note_on_size(state_machine.space):
            print_error(f"note: {note}")
    for trial in job.give_up:
        state_machine.give_up(trial, "given up by the user")


def exit_process(code: int) -> NoReturn:
    """Exit; immediately after an interruption, since a half-started Ray may abort the process."""
    if code not in INTERRUPTION_EXIT_CODES.values():
        sys.exit(code)
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            child.kill()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _last_losses(run: RunDir) -> list[str]:
    """Return a line for each open trial that was lost, with the reason of its last loss."""
    reasons = {
        event.trial: event.why for event in read_journal(run.journal) if event.event == "lost"
    }
    open_trials = [trial.index for trial in read_state(run).trials if not trial.final]
    return [
        f"trial {trial} was lost: {reasons[trial]}" for trial in open_trials if trial in reasons
    ]


if __name__ == "__main__":
    exit_process(main(sys.argv[1:]))
