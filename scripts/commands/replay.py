"""``genretune replay``: train a recorded trial again and compare it bit for bit."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from genretune.scripts.terminal import print_json, printable
from genretune.tune.errors import TuneError
from genretune.tune.reproducibility.determinism_env import reexec_with_level
from genretune.tune.trial.settings_file import read_settings

if TYPE_CHECKING:
    from genretune.tune.trial.replay import ReplayResult


def replay(
    run: Annotated[Path, typer.Argument(help="a run directory, or a config.json")],
    trial: Annotated[str, typer.Option(help="best, a trial number, or all")] = "best",
    data: Annotated[
        Path | None, typer.Option(help="the corpus; optional if already cached")
    ] = None,
    plugin: Annotated[
        list[Path] | None, typer.Option(help="plug-in files used by the trial")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the verdict as JSON")] = False,
) -> int:
    """Train a recorded trial again, compare every epoch bit for bit, and print the verdict.

    Example: genretune replay runs/quickstart --trial best --data DIR
    """
    trials = _trials(run, trial)
    settings = [read_settings(trial_path / "config.json") for trial_path, _ in trials]
    # Before torch is imported: some determinism settings are environment variables that torch reads
    # only once. All trials of a sweep have the same level.
    reexec_with_level(settings[0].get("determinism", "strict"), sys.argv[1:])
    from genretune.tune.trial import replay as replays
    from genretune.tune.trial.standalone import prepare
    from genretune.tune.trial.trial_dir import TrialDir

    verdicts = []
    for (trial_path, index), trial_settings in zip(trials, settings, strict=True):
        standalone = prepare(trial_settings, data=data, plugins=plugin or [])
        result = TrialDir(trial_path).result()
        verdict = replays.replay(
            standalone.config, standalone.store, result, trial=index, plugins=standalone.plugins
        )
        verdicts.append(verdict)
        if not as_json:
            print(printable(_as_text(verdict)), flush=True)
    if as_json:
        facts = [verdict.as_json() for verdict in verdicts]
        print_json(facts[0] if trial != "all" else facts)
    return max(replays.EXIT_CODES[verdict.verdict] for verdict in verdicts)


def _trials(run: Path, trial: str) -> list[tuple[Path, int | None]]:
    """Return folder and index of the trials to replay; index None for a single config.json."""
    if run.is_file():
        if run.name != "config.json":
            raise TuneError(f"{run}: must be a run directory or a config.json (give one of them)")
        return [(run.parent, None)]
    from genretune.tune.run.results import choose_trials

    return choose_trials(run, trial)


def _as_text(verdict: "ReplayResult") -> str:
    name = "the trial" if verdict.trial is None else f"trial {verdict.trial}"
    lines = [f"{name}: {verdict.verdict}, {verdict.epochs} epochs compared bit for bit"]
    if verdict.why:
        lines.append(f"  {verdict.why}")
    if (difference := verdict.first_difference) is not None:
        lines.append(
            f"  first difference: epoch {difference.epoch}, {difference.what}: "
            f"recorded {difference.recorded}, replayed {difference.replayed}"
        )
    if verdict.distance:
        largest = ", ".join(
            f"{name} {value:.3g}" for name, value in verdict.distance.items() if value
        )
        lines.append(f"  largest differences: {largest or 'none in the metrics'}")
    lines += [f"  environment: {line}" for line in verdict.environment_differences]
    return "\n".join(lines)
