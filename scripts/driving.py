"""What ``search`` and ``resume`` share: the wishes of the user, the drive, the end in words."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from genretune.scripts.ending import show_end
from genretune.scripts.progress import progress
from genretune.scripts.terminal import complain
from genretune.tune.dispatch.driver import EXIT_CODES, drive
from genretune.tune.dispatch.options import RunOptions
from genretune.tune.dispatch.signals import Wanted
from genretune.tune.errors import TuneError
from genretune.tune.prepare import Sweep
from genretune.tune.rundir import RunFolder
from genretune.tune.space.load import changed_keys, space_from_json, space_from_text
from genretune.tune.sweep.machine import Machine


def wishes(trials: str | None, give_up: Sequence[int]) -> Callable[[Machine], None]:
    """What the user asks of the machine before it goes on.

    Raises:
        TuneError: the number of trials cannot be read.
    """
    if trials is not None and not trials.removeprefix("+").isdigit():
        raise TuneError(f"--trials: must be a number (50) or more by a number (+30), got {trials}")

    def before(machine: Machine) -> None:
        if trials is not None:
            more = machine.state.target if trials.startswith("+") else 0
            machine.extend(more + int(trials.removeprefix("+")))
        for trial in give_up:
            machine.give_up(trial, "given up by the user")

    return before


def check_unedited(run: RunFolder, saved: Mapping[str, Any]) -> None:
    """Raise TuneError where ``space.yaml`` was edited since the sweep began."""
    try:
        text = run.space_yaml.read_text()
    except OSError:
        return  # sweep.json has all of it
    now = space_from_text(text, str(run.space_yaml), saved["overrides"])
    changed = changed_keys(space_from_json(saved["space"]), now)
    if not changed:
        return
    raise TuneError(
        f"{run.space_yaml}: must be as the sweep began, got changes in "
        f"{', '.join(changed)} (put it back, or start another search)"
    )


def drive_and_show(
    run: RunFolder,
    sweep: Sweep,
    options: RunOptions,
    *,
    wanted: Wanted,
    before: Callable[[Machine], None] = lambda machine: None,
    strict_exit: bool = False,
) -> int:
    """Drive with progress, then print the leaderboard and how to go on; the exit code."""
    with progress() as show:
        end = drive(run, sweep, options, show=show, wanted=wanted, before=before)
    code = show_end(run, strict=strict_exit, finished=end == "finished")
    if end == "finished":
        return code
    words = {
        "stopped": "stopped by the user",
        "undecided": "not all could be decided, since trials were lost (--give-up TRIAL)",
        "drained": "the time is over",
        "interrupted": "interrupted",
        "terminated": "interrupted",
    }
    complain(f"{words[end]}: genretune resume {run.path} goes on")
    return EXIT_CODES[end]
