"""genretune data: what is in a corpus, its packed form, its folds, and synthetic ones."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from genretune.data.errors import shown
from genretune.data.exclude import resolve_exclusions
from genretune.data.scan import ScanReport, scan_corpus
from genretune.data.specs import SplitSpec, read_spec
from genretune.data.splits import split_clips
from genretune.data.store import open_corpus
from genretune.data.synth import write_corpus

app = typer.Typer(no_args_is_help=True, help="Look at data, pack it, split it, or make some.")

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="folder with one folder per class")]
Rate = Annotated[int, typer.Option("--sample-rate", min=1000, max=384000, help="Hz of the pack")]
Json = Annotated[bool, typer.Option("--json", help="print facts as JSON")]


@app.command()
def scan(directory: Folder, as_json: Json = False, sample_rate: Rate = 22050) -> None:
    """Say what is in DIR, what is broken and what leaks; exit 1 when there are findings.

    Example: genretune data scan ~/music/gtzan
    """
    report = scan_corpus(directory, sample_rate=sample_rate)
    if as_json:
        print(json.dumps(report.as_json(), indent=2))
    else:
        _print_scan(report)
    if report.faults or report.duplicates:
        raise typer.Exit(1)


@app.command()
def pack(directory: Folder, as_json: Json = False, sample_rate: Rate = 22050) -> None:
    """Make the memory-mapped file that training reads; done by itself on first use.

    Example: genretune data pack ~/music/gtzan
    """
    store = open_corpus(directory, sample_rate=sample_rate)
    facts = {
        "path": str(store.path),
        "clips": len(store),
        "bytes": store.path.stat().st_size,
        "sample_rate": store.sample_rate,
        "source_digest": store.source_digest,
        "samples_digest": store.samples_digest,
    }
    if as_json:
        print(json.dumps(facts, indent=2))
        return
    for key, value in facts.items():
        print(f"{key}: {value}")


@app.command()
def folds(
    directory: Folder,
    split: Annotated[str, typer.Option("--split", metavar="NAME")] = "stratified",
    folds: Annotated[int | None, typer.Option("--folds", metavar="K")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="another key of data.split, as in YAML"),
    ] = None,
    exclude: Annotated[list[str] | None, typer.Option("--exclude", metavar="RULE")] = None,
    as_json: Json = False,
) -> None:
    """Show which clips train and validate in each fold.

    Example: genretune data folds ~/music/gtzan --split stratified --exclude faults
    """
    given: dict[str, object] = {"name": split}
    if folds is not None:
        given["folds"] = folds
    for setting in settings or []:
        key, _, value = setting.partition("=")
        given[key] = _value(value)
    spec = read_spec(SplitSpec, given, "data.split")
    store = open_corpus(directory)
    # Folds can be looked at while faulty clips are still in; what is excluded is left out.
    gone = resolve_exclusions(store, exclude) if exclude else ()
    members = split_clips(store, spec, gone)
    if as_json:
        print(json.dumps({str(fold): parts for fold, parts in members.items()}, indent=2))
        return
    parts = list(next(iter(members.values())))
    table = _table("fold", *parts)
    for fold, by_part in members.items():
        table.add_row(str(fold), *(str(len(by_part.get(part, []))) for part in parts))
    _console().print(table)


@app.command()
def synth(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="a new or empty folder")],
    clips: Annotated[int, typer.Option("--clips", metavar="N", help="per class")] = 100,
    seconds: Annotated[float, typer.Option("--seconds", metavar="S", help="of a clip")] = 30.0,
    seed: Annotated[int, typer.Option("--seed", metavar="K")] = 0,
) -> None:
    """Write a synthetic corpus in GTZAN's layout; the same arguments give the same bytes.

    Example: genretune data synth /tmp/corpus --clips 12 --seconds 6 --seed 1
    """
    paths = write_corpus(directory, clips=clips, seconds=seconds, seed=seed)
    print(f"{len(paths)} clips of {seconds:g} s in {shown(directory)}")


def _print_scan(report: ScanReport) -> None:
    console = _console()
    console.print(
        f"{report.clips} clips in {len(report.labels)} classes, {report.hours:.2f} hours, "
        f"fingerprint {report.fingerprint[:12]}",
    )
    table = _table("class", "clips")
    for label, count in report.labels.items():
        table.add_row(Text(shown(label)), str(count))
    console.print(table)
    if report.faults:
        table = _table("file", "fault", "detail")
        for finding in report.faults:
            table.add_row(*(Text(shown(t)) for t in (finding.file, finding.fault, finding.detail)))
        console.print(table)
    if not report.faults and not report.duplicates:
        console.print("no findings")


def _console() -> Console:
    """Standard output; a pipe gets lines as long as they need to be."""
    return Console() if sys.stdout.isatty() else Console(width=400)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _value(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text
