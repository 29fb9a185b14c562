"""``genretune train``: one training without a sweep, or one on every fold of a split."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from genretune.scripts.terminal import (
    format_duration,
    packing_progress,
    print_error,
    print_json,
    print_table,
    status_spinner,
)
from genretune.tune.dispatch.signals import EXIT, Interrupted, signals
from genretune.tune.errors import TuneError
from genretune.tune.reproducibility.determinism_env import ENVIRONMENT, reexec_with_level
from genretune.tune.trial.settings_file import read_settings

if TYPE_CHECKING:
    from genretune.tune.training.train import Outcome
    from genretune.tune.trial.standalone import StandaloneTrial

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
    reexec_with_level(level if level in [*ENVIRONMENT] else "strict", sys.argv[1:])
    folder = out or Path("runs") / file.stem
    with signals() as wanted:
        try:
            chosen = _prepared(settings, data, plugin or [], fold)
            keep = {"last": keep_last, "every": keep_every}
            _train(chosen, folder, keep=keep, every_fold=fold == "all", as_json=as_json)
        except Interrupted:
            print_error("interrupted: the same command goes on after the last whole epoch")
            return EXIT[wanted.kind or "interrupted"]
    return 0


def _prepared(
    settings: Mapping[str, Any], data: Path | None, plugins: Sequence[Path], fold: str | None
) -> list["StandaloneTrial"]:
    """The trials to train, checked before anything is written."""
    with status_spinner("loading torch") as say:
        from genretune.tune.trial.standalone import prepare

        say("checking the configuration and the corpus")
        standalone = prepare(settings, data=data, plugins=plugins, progress=packing_progress(say))
        chosen = _chosen(standalone, fold)
        warnings = [report.message() for report in [one.check() for one in chosen]]
    print_error(*(f"warning: {said}" for said in warnings if said))
    return chosen


def _train(
    chosen: Sequence["StandaloneTrial"],
    folder: Path,
    *,
    keep: Mapping[str, Any],
    every_fold: bool,
    as_json: bool,
) -> None:
    from genretune.tune.trial.standalone import run_standalone
    from genretune.tune.trial.trial_dir import CheckpointRetention

    outcomes = []
    for one in chosen:
        number = one.config.data.split.fold
        where = folder / f"fold-{number}" if every_fold else folder
        words = f"fold {number}, epoch" if every_fold else "epoch"
        with _watch(words, one.config.epochs, quiet=as_json) as report:
            outcome = run_standalone(one, where, on_report=report, keep=CheckpointRetention(**keep))
        outcomes.append(outcome)
        if not as_json:
            print(f"{outcome.status}: {outcome.why}; records in {where}", flush=True)
    if every_fold:
        _print_folds(chosen, outcomes, as_json=as_json)
    elif as_json:
        print_json(_facts(outcomes[0]))


def _chosen(standalone: "StandaloneTrial", fold: str | None) -> list["StandaloneTrial"]:
    if fold is None:
        return [standalone]
    if fold == "all":
        return standalone.folds()
    if not fold.isdigit():
        raise TuneError(f"--fold: must be all or a fold's number, got {fold}")
    return [standalone.on_fold(int(fold))]


def _facts(outcome: "Outcome") -> dict[str, Any]:
    return {"status": outcome.status, "why": outcome.why, "history": outcome.history}


def _print_folds(
    chosen: Sequence["StandaloneTrial"], outcomes: Sequence["Outcome"], *, as_json: bool
) -> None:
    """Each fold at its best epoch, then mean and standard deviation."""
    from genretune.tune.training.metrics import best_epoch
    from genretune.tune.trial.standalone import summary

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
        rows.append([str(number), str(epoch), *values])
    for word in ("mean", "std"):
        rows.append([word, "", *(f"{found[name][word]:.4f}" for name in _SUMMARISED)])
    print_table(rows, ["fold", "best epoch", *_SUMMARISED])


@contextmanager
def _watch(words: str, epochs: int, *, quiet: bool) -> Iterator[Report | None]:
    """A bar on a terminal, a line an epoch elsewhere, nothing beside JSON."""
    if quiet:
        yield None
        return
    if not sys.stdout.isatty():
        yield lambda record: print(_in_words(record), flush=True)
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
    )

    console = Console()
    columns = (
        SpinnerColumn(),
        TextColumn(words),
        # a full line would break where the terminal echoes Ctrl-C, and leave its upper half behind
        BarColumn(max(4, min(40, console.width - len(words) - 42))),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("epochs", total=epochs, left="")

        def show(record: Mapping[str, Any]) -> None:
            done = record["epoch"]
            left = format_duration((epochs - done) * record["seconds"] / 60)
            bar.update(task, completed=done, left=f"about {left} left", refresh=True)
            bar.console.print(_in_words(record), highlight=False, soft_wrap=True)

        yield show


def _in_words(record: Mapping[str, Any]) -> str:
    return (
        f"epoch {record['epoch']}: loss {record['trn_loss']:.4f}, "
        f"validation loss {record['val_loss']:.4f}, window accuracy {record['val_acc']:.3f}, "
        f"clip accuracy {record['val_clip_accuracy']:.3f}, "
        f"{record['seconds']:.1f} s"
    )
