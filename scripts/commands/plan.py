"""``genretune plan``: print the size and the expected work of a sweep before it runs."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Annotated, Any

import typer

from genretune.scripts.sweep_options import Address, TrialResources, parse_resources
from genretune.scripts.terminal import print_error, print_json, print_table
from genretune.tune.dispatch.run_options import RunOptions
from genretune.tune.errors import TuneError
from genretune.tune.sweep.sampler_lag import lag_warning

if TYPE_CHECKING:
    from genretune.tune.run.sweep_setup import Sweep
    from genretune.tune.sweep.plan import Plan


def plan(
    space: Annotated[Path, typer.Argument(metavar="SPACE.yaml", help="the search space")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="key=value, e.g. trial.optimizer.lr=1e-5")
    ] = None,
    concurrency: Annotated[
        int, typer.Option("--concurrency", "-W", min=1, help="number of concurrent trials")
    ] = 2,
    trials: Annotated[int | None, typer.Option(min=1, help="number of trials")] = None,
    address: Address = "local",
    resources: TrialResources = None,
    first: Annotated[int, typer.Option(min=0, help="number of configurations to show")] = 5,
    data: Annotated[Path | None, typer.Option(metavar="DIR", help="the corpus")] = None,
    measure: Annotated[
        bool, typer.Option("--measure", help="time a few steps of the configurations shown")
    ] = False,
    plugin: Annotated[
        list[Path] | None, typer.Option("--plugin", help="your models or features")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the plan as JSON")] = False,
) -> int:
    """Print size, rungs, first configurations and expected work of a search, without running it.

    Example: genretune plan search_spaces/quickstart.yaml --concurrency 8
    """
    from genretune.tune.reproducibility.determinism_env import reexec_with_level
    from genretune.tune.space.load import load_space

    all_overrides = [*(overrides or []), *([f"trials={trials}"] if trials is not None else [])]
    loaded_space = load_space(space, all_overrides)
    if measure:
        _check_measure(data, first)
    # Sets environment variables that torch and its libraries read on import, so it must come first.
    reexec_with_level(loaded_space.trial.get("determinism", "strict"), sys.argv[1:])  # type: ignore[arg-type]
    from genretune.scripts import plan_estimates
    from genretune.scripts.launch import sweep_device
    from genretune.tune.run.sweep_setup import new_sweep
    from genretune.tune.sweep.plan import make_plan
    from genretune.tune.trial.standalone import load_plugins

    plugins = load_plugins(plugin or [])
    options = RunOptions(address=address, resources=parse_resources(resources))
    device = sweep_device(loaded_space, options)
    sweep = None
    if data is not None:
        sweep = new_sweep(loaded_space, data, device=device, plugins=plugin or [])
    if sweep is None:
        plan_estimates.check_without_data(loaded_space, plugins)
    sweep_plan = make_plan(loaded_space, workers=concurrency, first=first)
    facts: dict[str, Any] = {"name": loaded_space.name, "device": device, **asdict(sweep_plan)}
    facts |= plan_estimates.disk_usage(loaded_space, sweep_plan, plugins)
    if sweep is not None:
        facts |= _corpus_facts(sweep, sweep_plan, measure=measure)
    for note in loaded_space.notes:
        print_error(f"note: {note}")
    if as_json:
        print_json(facts)
    else:
        _show(facts, loaded_space.epochs)
    return 0


def _check_measure(data: Path | None, first: int) -> None:
    """Raise TuneError if there is nothing to measure."""
    if data is None:
        raise TuneError("--measure: must have a corpus to take windows from, got none (--data DIR)")
    if first == 0:
        raise TuneError("--measure: must have configurations to time, got --first 0 (omit --first)")


def _corpus_facts(sweep: "Sweep", sweep_plan: "Plan", *, measure: bool) -> dict[str, Any]:
    """Return the facts that need the corpus; with ``measure``, also those of timed steps."""
    from genretune.scripts import plan_estimates

    facts: dict[str, Any] = {"peak_memory_bytes": sweep.peak_memory()}
    facts["train_windows"], facts["validation_windows"] = plan_estimates.count_windows(sweep)
    if measure:
        costs = plan_estimates.measure(sweep, sweep_plan.first)
        facts["measured"] = [asdict(cost) for cost in costs]
        facts["seconds"] = mean(cost.epoch_seconds for cost in costs) * sweep_plan.rounds
        facts["peak_mb"] = max(cost.peak_mb for cost in costs)
    return facts


def _show(facts: dict[str, Any], epochs: int) -> None:
    """Print the plan in words and tables."""
    size = facts["size"]
    configurations = "infinitely many" if size is None else f"{size:,}"
    trials = f"{facts['trials']} trials of up to {epochs} epochs"
    print(f"{facts['name']}: {trials} on device {facts['device']}")
    print(
        f"parameters: {facts['parameters']}, {facts['conditional']} of them conditional; "
        f"{configurations} configurations"
    )
    if facts["rungs"]:
        print()
        print_table(
            [[rung["epoch"], f"{rung['trials']:.1f}"] for rung in facts["rungs"]],
            ["rung (epoch)", "expected trials"],
        )
    if facts["first"]:
        print("\nfirst configurations:")
        _show_configurations(facts["first"])
    print(
        f"\ntotal epochs: about {facts['epochs']:.0f} "
        f"({facts['epochs_without_rungs']} if every trial ran to its end)"
    )
    workers = facts["workers"]
    print(
        f"{workers} concurrent trials: about {facts['rounds']:.0f} epoch durations, workers busy "
        f"{facts['utilisation']:.0%} of the time"
    )
    if warning := lag_warning(facts["lag"], workers):
        print(warning)
    _show_recommended(facts["recommended"])
    print(
        f"disk: about {facts['disk_bytes'] / 1e6:,.0f} MB in {facts['files']} files at the end "
        f"(keep: {facts['keep']}), and {facts['open_trial_bytes'] / 1e6:,.0f} MB per open trial "
        "while it runs"
    )
    if "train_windows" in facts:
        print(f"windows: {facts['train_windows']} train, {facts['validation_windows']} validation")
        if (peak := facts["peak_memory_bytes"]) is not None:
            where = "of the GPU" if facts["device"] == "cuda" else "of the process"
            print(f"memory: up to about {peak / 1e9:.1f} GB {where} for one trial")
    if "measured" in facts:
        _show_costs(facts)


def _show_recommended(recommended: Sequence[Mapping[str, object]]) -> None:
    if not recommended:
        print("sampler and early termination: as measured best for so many epochs and workers")
        return
    print("measured to find more at equal epochs:")
    for one in recommended:
        print(f"  {one['setting']}: {one['value']} instead of {one['given']} ({one['why']})")


def _show_configurations(first: Sequence[dict[str, object]]) -> None:
    from genretune.tune.run.results import format_value

    names = list(dict.fromkeys(name for parameters in first for name in parameters))
    print_table(
        [[name, *(format_value(p.get(name, ""), digits=4) for p in first)] for name in names],
        ["parameter", *(f"trial {index}" for index in range(len(first)))],
        full_output="--json",
    )


def _show_costs(facts: dict[str, Any]) -> None:
    print()
    print_table(
        [
            [
                cost["trial"],
                f"{cost['train_ms']:.1f}",
                f"{cost['evaluation_ms']:.1f}",
                f"{cost['epoch_seconds']:.0f}",
                f"{cost['peak_mb']:.0f}",
            ]
            for cost in facts["measured"]
        ],
        ["trial", "train ms/window", "evaluate ms/window", "s/epoch", "peak MB"],
    )
    print(
        f"estimated time: about {facts['seconds'] / 60:.0f} minutes, from trials timed one at a "
        f"time; up to {facts['peak_mb'] * facts['workers']:,.0f} MB of memory for all workers"
    )
