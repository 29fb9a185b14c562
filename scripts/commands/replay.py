"""``genretune replay``: run a recorded trial again and compare it to the bit."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from genretune.scripts.terminal import print_json, printable
from genretune.tune.errors import TuneError
from genretune.tune.reproducibility.determinism_env import reexec_with_level
from genretune.tune.trial.settings_file import read_settings


def replay(
    run: Annotated[Path, typer.Argument(help="a run directory, or a config.json")],
    trial: Annotated[str, typer.Option(help="best, a trial's number, or all")] = "best",
    data: Annotated[Path | None, typer.Option(help="the corpus; a pack is found without")] = None,
    plugin: Annotated[list[Path] | None, typer.Option(help="the plug-ins it was run with")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the verdict as JSON")] = False,
) -> int:
    """Run a recorded trial again, compare every epoch to the bit, and say the verdict.

    Example: genretune replay runs/quickstart --trial best --data DIR
    """
    folders = _folders(run, trial)
    settings = [read_settings(folder / "config.json") for folder, _ in folders]
    reexec_with_level(settings[0].get("determinism", "strict"), sys.argv[1:])
    from genretune.tune.trial import replay as replays
    from genretune.tune.trial.standalone import prepare
    from genretune.tune.trial.trial_dir import TrialDir

    verdicts = []
    for (folder, index), given in zip(folders, settings, strict=True):
        standalone = prepare(given, data=data, plugins=plugin or [])
        result = TrialDir(folder).result()
        verdict = replays.replay(
            standalone.config, standalone.store, result, trial=index, plugins=standalone.plugins
        )
        verdicts.append(verdict)
        if not as_json:
            print(printable(_in_words(verdict)), flush=True)
    if as_json:
        facts = [verdict.as_json() for verdict in verdicts]
        print_json(facts[0] if trial != "all" else facts)
    return max(replays.EXIT_CODES[verdict.verdict] for verdict in verdicts)


def _folders(run: Path, trial: str) -> list[tuple[Path, int | None]]:
    """The trials to replay: (folder, index); index None for a configuration on its own."""
    if run.is_file():
        if run.name != "config.json":
            raise TuneError(f"{run}: must be a run directory or a config.json (name one)")
        return [(run.parent, None)]
    from genretune.tune.run.results import choose

    return choose(run, trial)


def _in_words(verdict: Any) -> str:
    who = "the trial" if verdict.trial is None else f"trial {verdict.trial}"
    lines = [f"{who}: {verdict.verdict}, {verdict.epochs} epochs compared to the bit"]
    if verdict.why:
        lines.append(f"  {verdict.why}")
    if (found := verdict.first_difference) is not None:
        lines.append(
            f"  first difference: epoch {found.epoch}, {found.what}: "
            f"recorded {found.recorded}, replayed {found.replayed}"
        )
    if verdict.distance:
        worst = ", ".join(f"{k} {v:.3g}" for k, v in verdict.distance.items() if v)
        lines.append(f"  largest differences: {worst or 'none in the metrics'}")
    lines += [f"  environment: {line}" for line in verdict.environment_differences]
    return "\n".join(lines)
