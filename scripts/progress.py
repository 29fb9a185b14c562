"""Progress of a running sweep: a live panel on a terminal, plain lines elsewhere."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.text import Text

from genretune.scripts.terminal import span
from genretune.tune.dispatch.driver import Show
from genretune.tune.dispatch.sweep_controller import SweepController
from genretune.tune.sweep.leaderboard import Row, leaderboard

_PLAIN_EVERY = 10.0  # s


@contextmanager
def progress() -> Iterator[Show]:
    """What ``drive`` is to call; the panel is there for the ``with`` block."""
    console = Console()
    watch = _Watch()
    if not console.is_terminal:
        last = [0.0]

        def print_line(controller: SweepController) -> None:
            if time.monotonic() - last[0] >= _PLAIN_EVERY or controller.done is not None:
                last[0] = time.monotonic()
                print("; ".join(watch.lines(controller)), flush=True)

        yield print_line
        return
    with Live(Text("starting Ray ..."), console=console, refresh_per_second=4) as live:
        yield lambda controller: live.update(Text("\n".join(watch.lines(controller))))


class _Watch:
    """Times a driver from its first look at the desk."""

    def __init__(self) -> None:
        self._started: float | None = None

    def lines(self, controller: SweepController) -> list[str]:
        """Trials by state, best so far, speed and time left, why a worker idles."""
        if self._started is None:
            self._started = time.monotonic()
        minutes = (time.monotonic() - self._started) / 60
        state_machine = controller.state_machine
        counts = state_machine.counts(controller.busy)
        shown = [f"{number} {status}" for status, number in counts.items() if number]
        lines = [f"trials: {', '.join(shown) or 'none yet'}"]
        rows = [row for row in leaderboard(state_machine.state) if row.value is not None]
        if rows:
            best = min(rows, key=lambda row: self._rank(row, state_machine.state.rules.mode))
            metric = state_machine.space.metric.name
            lines.append(f"best: trial {best.trial}, {metric} {best.value:.4f}")
        if controller.epochs and minutes > 0:
            rate = controller.epochs / minutes
            left = self._epochs_left(controller) / rate
            lines.append(f"{rate:.0f} epochs a minute, about {span(left)} left")
        if len(controller.busy) < controller.concurrency and controller.done is None:
            if why := state_machine.why_idle(controller.busy):
                free = controller.concurrency - len(controller.busy)
                lines.append(f"{free} of {controller.concurrency} workers idle: {why}")
        return lines

    @staticmethod
    def _rank(row: Row, mode: str) -> float:
        value = row.value or 0.0
        return -value if mode == "max" else value

    @staticmethod
    def _epochs_left(controller: SweepController) -> float:
        """Epochs to come, if open trials run as long as finished ones did on average."""
        state = controller.state_machine.state
        over = [trial.epochs for trial in state.trials if trial.final]
        usual = sum(over) / len(over) if over else state.rules.epochs
        begun = [trial.epochs for trial in state.trials if not trial.final]
        to_begin = state.total - len(state.trials)
        return to_begin * usual + sum(max(usual - epochs, 1.0) for epochs in begun)
