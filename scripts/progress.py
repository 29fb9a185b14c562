"""Progress of a running sweep: a live panel on a terminal, plain lines elsewhere."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.text import Text

from genretune.scripts.terminal import format_duration
from genretune.tune.dispatch.dispatch import Show
from genretune.tune.dispatch.sweep_controller import SweepController
from genretune.tune.sweep.leaderboard import best_row, leaderboard
from genretune.tune.sweep.state import State

_PLAIN_INTERVAL = 10.0  # s


@contextmanager
def progress() -> Iterator[Show]:
    """Yield the function that ``drive`` is to call; the panel lives for the ``with`` block."""
    console = Console()
    report = _ProgressReport()
    if not console.is_terminal:
        last = [0.0]

        def print_line(controller: SweepController) -> None:
            if time.monotonic() - last[0] >= _PLAIN_INTERVAL or controller.done is not None:
                last[0] = time.monotonic()
                print("; ".join(report.lines(controller)), flush=True)

        yield print_line
        return
    with Live(Text("starting Ray ..."), console=console, refresh_per_second=4) as live:
        yield lambda controller: live.update(Text("\n".join(report.lines(controller))))


class _ProgressReport:
    """Describes a running sweep, timed from the first call."""

    def __init__(self) -> None:
        self._started: float | None = None

    def lines(self, controller: SweepController) -> list[str]:
        """Return trials by status, best so far, rate and time left, and why workers idle."""
        if self._started is None:
            self._started = time.monotonic()
        minutes = (time.monotonic() - self._started) / 60
        state_machine, running = controller.state_machine, controller.segments.with_worker()
        ordered = controller.segments.trials
        counts = state_machine.counts(running, ordered)
        shown = [f"{number} {status}" for status, number in counts.items() if number]
        lines = [f"trials: {', '.join(shown) or 'none yet'}"]
        metric = state_machine.space.metric
        best = best_row(leaderboard(state_machine.state), metric.mode)
        if best is not None:
            lines.append(f"best: trial {best.trial}, {metric.name} {best.value:.4f}")
        unreported = _unreported_epochs(controller)
        trained = controller.epochs + unreported
        if trained and minutes > 0:
            rate = trained / minutes
            left = max(0.0, _epochs_left(state_machine.state) - unreported) / rate
            lines.append(f"{rate:.0f} epochs a minute, about {format_duration(left)} left")
        workers = controller.concurrency
        if len(ordered) < workers and controller.done is None:
            if why := state_machine.why_idle(ordered):
                lines.append(f"{workers - len(ordered)} of {workers} workers idle: {why}")
        return lines


def _unreported_epochs(controller: SweepController) -> int:
    """Return the number of epochs that are trained and whose report waits for a checkpoint."""
    trials = controller.state_machine.state.trials
    told = [(one.trial, one.progress.epoch) for one in controller.segments if one.progress]
    return sum(max(0, epoch - trials[trial].epochs) for trial, epoch in told)


def _epochs_left(state: State) -> float:
    """Estimate the epochs to come: open trials run as long as finished ones did on average."""
    finished = [trial.epochs for trial in state.trials if trial.final]
    mean = sum(finished) / len(finished) if finished else state.rules.epochs
    started = [trial.epochs for trial in state.trials if not trial.final]
    to_start = state.total - len(state.trials)
    # an open trial beyond the mean counts one more epoch, lest the estimate reach zero too early
    return to_start * mean + sum(max(mean - epochs, 1.0) for epochs in started)
