"""Random histories of a sweep: whatever happens, it ends, folds to the same state, and audits.

Trials are stopped, given up and lost; drivers die, with the tail of the journal torn off, or drain;
the sweep is extended; values tie or are not finite. What a trial reports depends on its index only.
"""

import math
import random
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from genretune.tune.reproducibility.seeds import derive
from genretune.tune.space.space import Space
from genretune.tune.sweep.audit import audit
from genretune.tune.sweep.decisions import CONTINUE, Done, Segment
from genretune.tune.sweep.events import Event
from genretune.tune.sweep.state_machine import StateMachine

Spaces = Callable[..., Space]
_MOST_TRIALS = 24


class History:
    """One sweep and what happens to it; ``journal`` holds its events."""

    def __init__(self, space: Space, seed: int) -> None:
        self.space, self.seed = space, seed
        self.rng = random.Random(seed)
        self.journal: list[Event] = []
        self.busy: dict[int, int] = {}  # trial -> epochs of its segment's worker
        self.calm = False
        self.restart()

    def restart(self) -> None:
        """A driver begins; what ran under the one before is gone."""
        self.busy.clear()
        self.machine = StateMachine(self.space, self.journal, retries=10**6 if self.calm else 2)
        self.machine.begin(host="here", pid=1, environment={})
        self.flush()

    def flush(self) -> None:
        self.journal += self.machine.take_events()

    def crash(self) -> None:
        """The driver dies while it writes: the journal lacks some of the last events."""
        events = self.machine.take_events()
        self.journal += events[: self.rng.randint(0, len(events))]
        self.restart()

    def start(self) -> Done | None:
        """Start a segment if one can; return the decision that ends the driver."""
        decision = self.machine.next_segment(self.busy)
        self.flush()
        if isinstance(decision, Done):
            return decision
        if isinstance(decision, Segment):
            self.busy[decision.trial] = 0  # reports start anew, from the checkpoint's first epoch
        return None

    def train(self, trial: int) -> None:
        """A worker reports one epoch, or several that one checkpoint made safe, or its end."""
        for _ in range(self.rng.choice([1, 1, 3])):
            epoch = self.busy[trial] + 1
            if (end := self.own_end(trial, epoch - 1)) is not None:
                self.machine.ended(trial, end, epoch - 1, end)  # type: ignore[arg-type]
                del self.busy[trial]
                break
            value = derive(self.seed, "value", trial, epoch) % 5 / 4
            broken = derive(self.seed, "broken", trial, epoch) % 20 == 0
            reply = self.machine.report(trial, epoch, math.nan if broken else value, f"{epoch}")
            self.busy[trial] = epoch
            if reply != CONTINUE:
                del self.busy[trial]
                break
        if self.calm or self.rng.random() < 0.9:
            self.flush()
        else:
            self.crash()

    def own_end(self, trial: int, epochs: int) -> str | None:
        if epochs == self.machine.state.rules.epochs:
            return "completed"
        draw = derive(self.seed, "end", trial) % 40
        kinds = {0: "failed", 1: "diverged", 2: "completed"}
        when = derive(self.seed, "when", trial) % 4
        return kinds.get(draw) if epochs >= when + (draw == 2) else None

    def disturb(self) -> None:
        """One of the things that go wrong, or that a user does."""
        trials = self.machine.state.trials
        open_trials = [trial.index for trial in trials if not trial.final]
        kind = self.rng.choice(["lose", "lose", "stop", "give up", "drain", "extend", "crash"])
        if kind == "lose" and self.busy:
            trial = self.rng.choice(sorted(self.busy))
            del self.busy[trial]
            self.machine.lost(trial, "killed", node_left=self.rng.random() < 0.5)
        elif kind == "stop" and open_trials:
            self.machine.stop(self.rng.choice(open_trials))
        elif kind == "give up" and open_trials:
            self.machine.give_up(self.rng.choice(open_trials), "by the user")
        elif kind == "drain":
            self.machine.stop(None)
        elif kind == "extend" and self.machine.state.target < _MOST_TRIALS:
            self.machine.extend(self.machine.state.target + self.rng.randint(1, 4))
        elif kind == "crash":
            self.crash()
        self.flush()

    def run(self, disturbances: int) -> Done:
        """Run to the end: first with disturbances, then without."""
        for step in range(100_000):
            if not self.calm and step > 20 * disturbances:
                self.calm = True
                self.restart()
            if not self.calm and self.rng.random() < 0.1:
                self.disturb()
            done = self.start() if len(self.busy) < 4 else None
            if done is not None and self.calm:
                return done
            if done is not None:
                self.restart()  # drained, or undecided: the user resumes
            elif self.busy:
                self.train(self.rng.choice(sorted(self.busy)))
        raise AssertionError("the sweep must end")


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10**9),
    sampler=st.sampled_from(
        [
            "{type: random}",
            "{type: qmc}",
            "{type: tpe, lag: 3, n_startup: 3}",
            "{type: parzen, lag: 3, n_startup: 3}",
        ]
    ),
    order=st.sampled_from(["index", "arrival"]),
    brackets=st.sampled_from([1, 2]),
    mode=st.sampled_from(["{name: val_acc, mode: max}", "{name: val_loss, mode: min}"]),
)
def test_a_sweep_survives_any_history(
    space: Spaces, seed: int, sampler: str, order: str, brackets: int, mode: str
) -> None:
    rule = f"{{type: asha, reduction_factor: 2, order: {order}, brackets: {brackets}}}"
    given_space = space(
        *(f"sampler={sampler}", f"early_terminate={rule}", f"metric={mode}", "trials=10")
    )
    history = History(given_space, seed)
    assert history.run(disturbances=8).reason == "finished"
    state = history.machine.state
    assert all(trial.final for trial in state.trials) and len(state.trials) == state.total
    again = StateMachine(given_space, history.journal)
    assert again.take_events() == []
    assert _facts(again) == _facts(history.machine)
    assert audit(given_space, history.journal) == []


def _facts(machine: StateMachine) -> list[Any]:
    return [
        (trial.index, trial.parameters, trial.seed, trial.status, trial.reports, trial.verdicts)
        for trial in machine.state.trials
    ]
