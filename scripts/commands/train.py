"""``genretune train``: train one configuration without a sweep, on one fold or on every fold."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from genretune.scripts import sweep_options
from genretune.scripts.terminal import (
    format_duration,
    packing_progress,
    print_error,
    print_json,
    print_table,
    status_spinner,
)
from genretune.tune.dispatch.run_options import CHECKPOINT_EVERY
from genretune.tune.dispatch.signals import INTERRUPTION_EXIT_CODES, Interrupted, handle_signals
from genretune.tune.errors import TuneError
from genretune.tune.reproducibility.determinism_env import reexec_with_level
from genretune.tune.trial.settings_file import read_settings

if TYPE_CHECKING:
    from genretune.tune.training.train import Outcome
    from genretune.tune.trial.standalone import StandaloneTrial

Show = Callable[[Mapping[str, Any]], None]
_TABLE_METRICS = ("val_loss", "val_acc", "val_clip_accuracy", "val_macro_f1", "val_clip_macro_f1")


def train(
    file: Annotated[Path, typer.Argument(help="a trial's YAML file or any config.json")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="key=value, e.g. optimizer.lr=0.001")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="the corpus; optional if already cached")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="trial directory; default runs/NAME")] = None,
    fold: Annotated[
        str | None,
        typer.Option(metavar="K|all", help="validate on fold K, or on every fold in turn"),
    ] = None,
    keep_last: Annotated[int, typer.Option(min=1, help="number of newest checkpoints to keep")] = 2,
    keep_every: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="also keep every N-th checkpoint")
    ] = None,
    checkpoint_every: sweep_options.CheckpointEvery = CHECKPOINT_EVERY,
    plugin: Annotated[list[Path] | None, typer.Option(help="your models or features")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the result as JSON")] = False,
) -> int:
    """Train one configuration, or resume it if its trial directory already holds epochs.

    Example: genretune train trial.yaml --data DIR optimizer.lr=0.001 feature.name=melspec
    """
    settings = read_settings(file, overrides or [])
    # Sets environment variables that torch and its libraries read on import, so it must come first.
    reexec_with_level(settings.get("determinism", "strict"), sys.argv[1:])
    directory = out or Path("runs") / file.stem
    with handle_signals() as stop_signal:
        try:
            trials = _prepare_trials(settings, data, plugin or [], fold)
            keep = {"last": keep_last, "every": keep_every}
            _train(
                trials,
                directory,
                keep=keep,
                checkpoint_every=checkpoint_every,
                every_fold=fold == "all",
                as_json=as_json,
            )
        except Interrupted:
            if stop_signal.kind is None:
                raise
            print_error("interrupted: run the same command to resume after the last complete epoch")
            return INTERRUPTION_EXIT_CODES[stop_signal.kind]
    return 0


def _prepare_trials(
    settings: Mapping[str, Any], data: Path | None, plugins: Sequence[Path], fold: str | None
) -> list["StandaloneTrial"]:
    """Return the trials to train; all of them are checked before anything is written."""
    with status_spinner("loading torch") as say:
        from genretune.tune.trial.standalone import prepare

        say("checking the configuration and the corpus")
        standalone = prepare(settings, data=data, plugins=plugins, progress=packing_progress(say))
        trials = _select_folds(standalone, fold)
        warnings = [trial.check().message() for trial in trials]
    print_error(*(f"warning: {warning}" for warning in warnings if warning))
    return trials


def _train(
    trials: Sequence["StandaloneTrial"],
    directory: Path,
    *,
    keep: Mapping[str, Any],
    checkpoint_every: float,
    every_fold: bool,
    as_json: bool,
) -> None:
    from genretune.tune.trial.checkpoint_file import CheckpointRetention
    from genretune.tune.trial.epoch_saver import CheckpointSchedule
    from genretune.tune.trial.standalone import run_standalone

    outcomes = []
    for trial in trials:
        number = trial.config.data.split.fold
        path = directory / f"fold-{number}" if every_fold else directory
        label = f"fold {number}, epoch" if every_fold else "epoch"
        with _show_progress(label, trial.config.epochs, quiet=as_json) as show:
            outcome = run_standalone(
                trial,
                path,
                on_trained=show,
                schedule=CheckpointSchedule(checkpoint_every),
                retention=CheckpointRetention(**keep),
            )
        outcomes.append(outcome)
        if not as_json:
            print(f"{outcome.status}: {outcome.why}; results in {path}", flush=True)
    if every_fold:
        _print_folds(trials, outcomes, as_json=as_json)
    elif as_json:
        print_json(_facts(outcomes[0]))


def _select_folds(standalone: "StandaloneTrial", fold: str | None) -> list["StandaloneTrial"]:
    """Return the trial on its own fold, on fold ``fold``, or on ``all`` folds.

    Raises:
        TuneError: if ``fold`` is neither ``all`` nor a number, or the split has no such folds.
        DataError: if there is no fold of that number.
    """
    if fold is None:
        return [standalone]
    if fold == "all":
        return standalone.folds()
    if not fold.isdigit():
        raise TuneError(f"--fold: must be all or a fold's number, got {fold} (use all or 1)")
    return [standalone.on_fold(int(fold))]


def _facts(outcome: "Outcome") -> dict[str, Any]:
    return {"status": outcome.status, "why": outcome.why, "history": outcome.history}


def _print_folds(
    trials: Sequence["StandaloneTrial"], outcomes: Sequence["Outcome"], *, as_json: bool
) -> None:
    """Print each fold's metrics at its best epoch, then their mean and standard deviation."""
    from genretune.tune.training.metrics import best_epoch
    from genretune.tune.trial.standalone import summary

    metric = trials[0].config.best.metric
    statistics = summary(outcomes, metric)
    folds = [trial.config.data.split.fold for trial in trials]
    if as_json:
        facts = {str(k): _facts(outcome) for k, outcome in zip(folds, outcomes, strict=True)}
        print_json({"folds": facts, "summary": statistics})
        return
    rows: list[list[str]] = []
    for number, outcome in zip(folds, outcomes, strict=True):
        epoch = best_epoch(outcome.history, metric)
        values = [f"{outcome.history[epoch - 1][n]:.4f}" if epoch else "" for n in _TABLE_METRICS]
        rows.append([str(number), str(epoch), *values])
    for statistic in ("mean", "std"):
        rows.append(
            [statistic, "", *(f"{statistics[name][statistic]:.4f}" for name in _TABLE_METRICS)]
        )
    print_table(rows, ["fold", "best epoch", *_TABLE_METRICS])


@contextmanager
def _show_progress(label: str, epochs: int, *, quiet: bool) -> Iterator[Show]:
    """Yield a callback that prints epoch records, with a progress bar on a terminal.

    Args:
        label: text before the bar.
        quiet: print nothing, so that standard output holds JSON only.
    """
    if quiet:
        yield lambda record: None
        return
    if not sys.stdout.isatty():
        yield lambda record: print(_format_record(record), flush=True)
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
        TextColumn(label),
        # Leaves room at the end of the line: the terminal echoes ^C there, and a line that wraps
        # would not be erased completely.
        BarColumn(max(4, min(40, console.width - len(label) - 42))),
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
            bar.console.print(_format_record(record), highlight=False, soft_wrap=True)

        yield show


def _format_record(record: Mapping[str, Any]) -> str:
    return (
        f"epoch {record['epoch']}: loss {record['trn_loss']:.4f}, "
        f"validation loss {record['val_loss']:.4f}, window accuracy {record['val_acc']:.3f}, "
        f"clip accuracy {record['val_clip_accuracy']:.3f}, "
        f"{record['seconds']:.1f} s"
    )
