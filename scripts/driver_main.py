"""The driver's own process: ``search`` and ``resume`` become it once all is checked."""

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import psutil

from genretune.scripts.ending import show_end
from genretune.scripts.progress import progress
from genretune.scripts.terminal import print_error
from genretune.tune.dispatch.driver import EXIT_CODES, Show, drive
from genretune.tune.dispatch.driver_job import DriverJob, job_from_json
from genretune.tune.dispatch.signals import EXIT, NUMBERS, Interrupted, StopSignal, signals
from genretune.tune.dispatch.sweep_controller import SweepController
from genretune.tune.errors import TuneError
from genretune.tune.run.journal import read_journal
from genretune.tune.run.results import read_state
from genretune.tune.storage.run_dir import RunDir
from genretune.tune.sweep.state_machine import StateMachine

_WORDS = {
    "stopped": "stopped by the user",
    "undecided": "not all could be decided, since trials were lost (--give-up TRIAL)",
    "drained": "the time is over",
    "interrupted": "interrupted",
    "terminated": "interrupted",
}


def main(arguments: list[str]) -> int:
    """Drive the job given as JSON; the exit code."""
    with signals() as wanted:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, NUMBERS)  # blocked while the process changed
        try:
            return drive_and_show(job_from_json(arguments[0]), wanted)
        except Interrupted:
            print_error("interrupted before the first trial was dispatched")
            return EXIT[wanted.kind or "interrupted"]
        except TuneError as error:
            print_error(*str(error).splitlines())
            return error.exit_code


def drive_and_show(job: DriverJob, wanted: StopSignal) -> int:
    """Drive with progress, then print the leaderboard and how to go on; the exit code."""
    run = RunDir(Path(job.run))
    with progress() as show:
        end = drive(
            run,
            job,
            show=tolerate_closed_stdout(show),
            wanted=wanted,
            before=lambda state_machine: wish(state_machine, job),
        )
    code = show_end(run, strict=job.strict_exit, finished=end == "finished")
    if end == "finished":
        return code
    if end == "undecided":
        print_error(*_lost(run))
    print_error(f"{_WORDS[end]}: genretune resume {run.path} goes on")
    return EXIT_CODES[end]


def tolerate_closed_stdout(show: Show) -> Show:
    """``show`` for an output that nobody may read to its end: the sweep goes on without it."""

    def attempt(controller: SweepController) -> None:
        try:
            show(controller)
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            print_error("nobody reads the output any more; the sweep goes on")

    return attempt


def _lost(run: RunDir) -> list[str]:
    """Why open trials were lost, for each the last time."""
    whys = {event.trial: event.why for event in read_journal(run.journal) if event.event == "lost"}
    still = [trial.index for trial in read_state(run).trials if not trial.final]
    return [f"trial {trial} was lost: {whys[trial]}" for trial in still if trial in whys]


def wish(state_machine: StateMachine, job: DriverJob) -> None:
    """Ask the machine for what the user wants before it goes on."""
    if job.trials is not None:
        more = state_machine.state.target if job.trials.startswith("+") else 0
        state_machine.extend(more + int(job.trials.removeprefix("+")))
    for trial in job.give_up:
        state_machine.give_up(trial, "given up by the user")


def leave(code: int) -> NoReturn:
    """Exit; at once after an interruption, since what Ray has half made may abort the process."""
    if code not in EXIT.values():
        sys.exit(code)
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            child.kill()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    leave(main(sys.argv[1:]))
