"""``genretune train``: one training without a sweep, or one on every fold of a split."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from genretune.scripts.terminal import complain, print_json, print_table
from genretune.tune.errors import TuneError
from genretune.tune.levels import ENVIRONMENT, start_anew
from genretune.tune.settings_file import read_settings

if TYPE_CHECKING:
    from genretune.tune.single import Single
    from genretune.tune.train import Outcome

Report = Callable[[Mapping[str, Any]], None]
_SUMMARISED = ("val_loss", "val_acc", "val_clip_accuracy", "val_macro_f1", "val_clip_macro_f1")


def train(
    file: Annotated[Path, typer.Argument(help="a trial's YAML, or any config.json")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="key=value, e.g. optimizer.lr=0.001")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="the corpus; a pack is found without")] = None,
    out: Annotated[Path | None, typer.Option(help="the trial's folder")] = None,
    fold: Annotated[
        str | None, typer.Option(metavar="K|all", help="validate on fold K, or on each in turn")
    ] = None,
    keep_last: Annotated[int, typer.Option(min=1, help="newest checkpoints that stay")] = 2,
    keep_every: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="every n-th checkpoint stays, too")
    ] = None,
    plugin: Annotated[list[Path] | None, typer.Option(help="your own models or features")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the result as JSON")] = False,
) -> int:
    """Train one configuration; a folder that holds part of it is continued.

    Example: genretune train trial.yaml --data DIR optimizer.lr=0.001 feature.name=melspec
    """
    settings = read_settings(file, overrides or [])
    level = settings.get("determinism", "strict")
    start_anew(level if level in [*ENVIRONMENT] else "strict", sys.argv[1:])
    from genretune.tune.records import Keep
    from genretune.tune.single import prepare, run_single

    single = prepare(settings, data=data, plugins=plugin or [])
    folder = out or Path("runs") / file.stem
    chosen = _chosen(single, fold)
    for one in chosen:
        if said := one.check_leaks().message():
            complain(f"warning: {said}")
    outcomes = []
    for one in chosen:
        where = folder / f"fold-{one.config.data.split.fold}" if fold == "all" else folder
        with _watch(one.config.epochs, quiet=as_json) as report:
            keep = Keep(last=keep_last, every=keep_every)
            outcome = run_single(one, where, on_report=report, keep=keep)
        outcomes.append(outcome)
        if not as_json:
            print(f"{outcome.status}: {outcome.why}; records in {where}")
    if fold == "all":
        _print_folds(chosen, outcomes, as_json=as_json)
    elif as_json:
        print_json(_facts(outcomes[0]))
    return 0


def _chosen(single: "Single", fold: str | None) -> list["Single"]:
    if fold is None:
        return [single]
    if fold == "all":
        return single.folds()
    if not fold.isdigit():
        raise TuneError(f"--fold: must be all or a fold's number, got {fold}")
    return [single.on_fold(int(fold))]


def _facts(outcome: "Outcome") -> dict[str, Any]:
    return {"status": outcome.status, "why": outcome.why, "history": outcome.history}


def _print_folds(
    chosen: Sequence["Single"], outcomes: Sequence["Outcome"], *, as_json: bool
) -> None:
    """Each fold at its best epoch, then mean and standard deviation."""
    from genretune.tune.metrics import best_epoch
    from genretune.tune.single import summary

    metric = chosen[0].config.best.metric
    found = summary(outcomes, metric)
    folds = [one.config.data.split.fold for one in chosen]
    if as_json:
        facts = {str(k): _facts(outcome) for k, outcome in zip(folds, outcomes, strict=True)}
        print_json({"folds": facts, "summary": found})
        return
    rows: list[list[str]] = []
    for number, outcome in zip(folds, outcomes, strict=True):
        epoch = best_epoch(outcome.history, metric)
        values = [f"{outcome.history[epoch - 1][n]:.4f}" if epoch else "" for n in _SUMMARISED]
        rows.append([str(number), outcome.status, str(epoch), *values])
    rows.append(["mean", "", "", *(f"{found[name]['mean']:.4f}" for name in _SUMMARISED)])
    rows.append(["std", "", "", *(f"{found[name]['std']:.4f}" for name in _SUMMARISED)])
    print_table(rows, ["fold", "status", "best epoch", *_SUMMARISED])


@contextmanager
def _watch(epochs: int, *, quiet: bool) -> Iterator[Report | None]:
    """A bar on a terminal, a line an epoch elsewhere, nothing beside JSON."""
    if quiet:
        yield None
        return
    if not sys.stdout.isatty():
        yield lambda record: print(_in_words(record), flush=True)
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        SpinnerColumn(),
        TextColumn("epoch"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, transient=True) as bar:
        task = bar.add_task("epochs", total=epochs)

        def show(record: Mapping[str, Any]) -> None:
            bar.console.print(_in_words(record), highlight=False)
            bar.update(task, completed=record["epoch"])

        yield show


def _in_words(record: Mapping[str, Any]) -> str:
    return (
        f"epoch {record['epoch']}: loss {record['trn_loss']:.4f}, "
        f"validation loss {record['val_loss']:.4f}, window accuracy {record['val_acc']:.3f}, "
        f"clip accuracy {record['val_clip_accuracy']:.3f}, "
        f"{record['seconds']:.1f} s"
    )
