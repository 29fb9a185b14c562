"""What happened to one trial, in words: what it was compared with, and why it ended."""

from genretune.tune.sweep.events import Verdict
from genretune.tune.sweep.leaderboard import why
from genretune.tune.sweep.state import State
from genretune.tune.sweep.sweep_rules import SweepRules


def explain(state: State, trial: int) -> str:
    """Return a few lines about a created trial; floats as recorded.

    Raises:
        IndexError: the trial has not been created.
    """
    known, rules = state.trials[trial], state.rules
    lines = [f"trial {trial}: {known.status or 'open'} after {known.epochs} epochs"]
    if known.best is not None:
        lines.append(f"best value {known.best!r} in epoch {known.best_epoch}")
    if rules.brackets > 1:
        lines.append(f"bracket {rules.bracket(trial)}")
    for number, rung in enumerate(rules.rungs(trial), start=1):
        verdict = known.verdicts.get(rung)
        where = f"rung {number} (epoch {rung})"
        if verdict is not None:
            lines.append(f"{where}: {_comparison(verdict, rules)}")
        elif rung <= known.epochs:
            lines.append(f"{where}: held until every lower trial is settled there")
    losses = len(known.losses)
    if losses:
        lines.append(f"its worker was lost {losses} {'time' if losses == 1 else 'times'}")
    ending = why(known, rules)
    if known.final and ending:
        lines.append(f"ended: {ending}")
    return "\n".join(lines)


def _comparison(verdict: Verdict, rules: SweepRules) -> str:
    compared = verdict.compared
    others = "that reported before it" if rules.arrival else "up to it"
    promoted = verdict.verdict == "continue"  # as recorded, which decided
    text = (
        f"best value so far {_value(compared.value)} ranks {compared.place} among {compared.of} "
        f"trials {others}; top {compared.go_on} promoted: {'promoted' if promoted else 'stopped'}"
    )
    if not promoted:
        text += f" (the last one promoted is trial {compared.last_in} with "
        text += f"{_value(compared.last_value)})"
    return text


def _value(value: float | None) -> str:
    return "not finite" if value is None else repr(value)
