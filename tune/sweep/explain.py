"""One trial's story in words: what it was compared with, and why it ended."""

from genretune.tune.sweep.events import Compared
from genretune.tune.sweep.leaderboard import why
from genretune.tune.sweep.state import State
from genretune.tune.sweep.sweep_rules import SweepRules


def explain(state: State, trial: int) -> str:
    """A few lines about a created trial; floats as recorded.

    Raises:
        IndexError: the trial has not been created.
    """
    known, rules = state.trials[trial], state.rules
    lines = [f"trial {trial}: {known.status or 'not over'} after {known.epochs} epochs"]
    if known.best is not None:
        lines.append(f"best value {known.best!r} in epoch {known.best_epoch}")
    if rules.brackets > 1:
        lines.append(f"bracket {rules.bracket(trial)}")
    for rung in rules.rungs(trial):
        verdict = known.verdicts.get(rung)
        if verdict is not None:
            lines.append(f"epoch {rung}: {_compared(verdict.compared, rules)}")
        elif rung <= known.epochs:
            lines.append(f"epoch {rung}: held until every lower trial is settled there")
    losses = len(known.losses)
    if losses:
        lines.append(f"its worker was lost {losses} {'time' if losses == 1 else 'times'}")
    ending = why(known, rules)
    if known.final and ending:
        lines.append(f"ended: {ending}")
    return "\n".join(lines)


def _compared(compared: Compared, rules: SweepRules) -> str:
    whom = "that came before" if rules.arrival else "up to it"
    outcome = "goes on" if compared.place <= compared.go_on else "stopped"
    text = (
        f"best so far {_value(compared.value)} is place {compared.place} of the {compared.of} "
        f"trials {whom}; the best {compared.go_on} go on: {outcome}"
    )
    if outcome == "stopped":
        text += f" (the last to go on is trial {compared.last_in} with "
        text += f"{_value(compared.last_value)})"
    return text


def _value(value: float | None) -> str:
    return "not finite" if value is None else repr(value)
