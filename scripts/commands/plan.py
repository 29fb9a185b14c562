"""``genretune plan``: a sweep before it runs."""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from genretune.scripts.terminal import print_error, print_json, print_table
from genretune.tune.errors import TuneError


def plan(
    space: Annotated[Path, typer.Argument(metavar="SPACE.yaml", help="the search space")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="key=value, e.g. trial.optimizer.lr=1e-5")
    ] = None,
    workers: Annotated[int, typer.Option("--workers", "-W", min=1, help="trials at once")] = 2,
    trials: Annotated[int | None, typer.Option(min=1, help="how many trials")] = None,
    first: Annotated[int, typer.Option(min=0, help="configurations to show")] = 5,
    data: Annotated[Path | None, typer.Option(metavar="DIR", help="the corpus")] = None,
    measured: Annotated[
        bool, typer.Option("--measure", help="time a few steps of those configurations")
    ] = False,
    plugin: Annotated[
        list[Path] | None, typer.Option("--plugin", help="your models or features")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the plan as JSON")] = False,
) -> int:
    """Show size, rungs, first configurations and expected work of a search; run nothing.

    Example: genretune plan search_spaces/quickstart.yaml --workers 8
    """
    from genretune.tune.reproducibility.determinism_env import reexec_with_level
    from genretune.tune.space.load import load_space

    given = [*(overrides or []), *([f"trials={trials}"] if trials is not None else [])]
    found = load_space(space, given)
    if measured and data is None:
        raise TuneError("--measure: needs the corpus to take its windows from, got none (--data)")
    reexec_with_level(found.trial.get("determinism", "strict"), sys.argv[1:])  # type: ignore[arg-type]
    from genretune.scripts import plan_estimates
    from genretune.tune.run.sweep_setup import new_sweep
    from genretune.tune.sweep.plan import make_plan
    from genretune.tune.trial.standalone import load_plugins

    loaded = load_plugins(plugin or [])
    sweep = None if data is None else new_sweep(found, data, plugins=plugin or [])
    if sweep is None:
        plan_estimates.check_without_data(found, loaded)
    made = make_plan(found, workers=workers, first=first)
    facts: dict[str, Any] = {"name": found.name, **asdict(made)}
    facts |= plan_estimates.disk(found, made, loaded)
    if sweep is not None:
        facts["train_windows"], facts["validation_windows"] = plan_estimates.windows_of(sweep)
    if measured and sweep is not None:
        timed = plan_estimates.measure(sweep, made.first)
        mean = sum(one.epoch_seconds for one in timed) / max(1, len(timed))
        facts["measured"] = [asdict(one) for one in timed]
        facts["seconds"] = mean * made.rounds
        facts["peak_mb"] = max((one.peak_mb for one in timed), default=0.0)
    for note in found.notes:
        print_error(f"note: {note}")
    if as_json:
        print_json(facts)
    else:
        _show(facts, found.epochs)
    return 0


def _show(facts: dict[str, Any], epochs: int) -> None:
    """The plan in words and tables."""
    size = facts["size"]
    many = "infinitely many" if size is None else f"{size:,}"
    print(f"{facts['name']}: {facts['trials']} trials of up to {epochs} epochs")
    print(
        f"parameters: {facts['parameters']}, {facts['conditional']} of them conditional; "
        f"{many} configurations"
    )
    if facts["rungs"]:
        print()
        print_table(
            [[rung["epoch"], f"{rung['trials']:.1f}"] for rung in facts["rungs"]],
            ["rung (epoch)", "trials expected there"],
        )
    if facts["first"]:
        print("\nfirst configurations:")
        _show_configurations(facts["first"])
    print(
        f"\nepochs in all: about {facts['epochs']:.0f} "
        f"({facts['epochs_without_rungs']} if every trial ran to its end)"
    )
    print(
        f"with {facts['workers']} workers: about {facts['utilisation']:.0%} of their time in "
        f"epochs, {facts['rounds']:.0f} times the time of an epoch"
    )
    lag = facts["lag"]
    if lag is not None and lag < facts["workers"]:
        print(f"sampler.lag {lag} is below the workers: some will idle (lag of at least W)")
    print(
        f"on disk: about {facts['disk_bytes'] / 1e6:,.0f} MB in {facts['files']} files at the end "
        f"(keep: {facts['keep']}), {facts['open_trial_bytes'] / 1e6:,.0f} MB for each trial that "
        "is not over"
    )
    if "train_windows" in facts:
        print(f"windows: {facts['train_windows']} train, {facts['validation_windows']} validate")
    if "measured" in facts:
        _show_measured(facts)


def _show_configurations(first: Sequence[dict[str, object]]) -> None:
    from genretune.tune.run.results import cell

    names = list(dict.fromkeys(name for parameters in first for name in parameters))
    print_table(
        [[name, *(cell(p.get(name, ""), digits=4) for p in first)] for name in names],
        ["parameter", *(f"trial {i}" for i in range(len(first)))],
        rest="--json",
    )


def _show_measured(facts: dict[str, Any]) -> None:
    print()
    print_table(
        [
            [
                one["trial"],
                f"{one['train_ms']:.1f}",
                f"{one['evaluation_ms']:.1f}",
                f"{one['epoch_seconds']:.0f}",
                f"{one['peak_mb']:.0f}",
            ]
            for one in facts["measured"]
        ],
        ["trial", "ms/window", "ms/window evaluated", "s/epoch", "peak MB"],
    )
    print(
        f"estimated time: about {facts['seconds'] / 60:.0f} minutes, measured one at a time; "
        f"up to {facts['peak_mb'] * facts['workers']:,.0f} MB of memory with all workers"
    )
