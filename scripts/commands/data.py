"""genretune data: what is in a corpus, its packed form, its folds, and synthetic ones."""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from genretune.data.clip_analysis import Progress as Listener
from genretune.data.errors import DataError, shown
from genretune.data.exclude import resolve_exclusions
from genretune.data.inject_faults import COPIES, FAULTS, GROUPS, parse_plants
from genretune.data.scan import ScanReport, read_headers, scan_corpus
from genretune.data.specs import SplitSpec, read_spec
from genretune.data.split_file import resolve_split
from genretune.data.splits import split_clips
from genretune.data.store import open_corpus
from genretune.data.synth import write_corpus

app = typer.Typer(no_args_is_help=True, help="Look at data, pack it, split it, or make some.")

Folder = Annotated[
    Path, typer.Argument(metavar="DIR", help="folder with one folder per class, or a manifest")
]
Rate = Annotated[int, typer.Option("--sample-rate", min=1000, max=384000, help="Hz of the pack")]
Json = Annotated[bool, typer.Option("--json", help="print facts as JSON")]


@app.command()
def scan(
    directory: Folder,
    as_json: Json = False,
    headers: Annotated[
        bool, typer.Option("--headers", help="read headers only: quick, finds less")
    ] = False,
    sample_rate: Rate = 22050,
) -> None:
    """Say what is in DIR, what is broken and what is there twice; exit 1 when something is.

    Example: genretune data scan ~/music/gtzan
    """
    if headers:
        report = read_headers(directory)
    else:
        with _listening() as progress:
            report = scan_corpus(directory, sample_rate=sample_rate, progress=progress)
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
    with _listening() as progress:
        store = open_corpus(directory, sample_rate=sample_rate, progress=progress)
    facts = {
        "path": str(store.path),
        "clips": len(store),
        "bytes": store.path.stat().st_size,
        "sample_rate": store.sample_rate,
        "source_digest": store.source_digest,
        "samples_digest": store.samples_digest,
        "decoders": store.decoders,
    }
    if as_json:
        print(json.dumps(facts, indent=2))
        return
    for key, value in facts.items():
        print(f"{key}: {value}")


@app.command()
def folds(
    directory: Folder,
    split: Annotated[
        str,
        typer.Option(
            "--split",
            metavar="NAME",
            help="stratified, grouped, fault-filtered, file or contaminated",
        ),
    ] = "stratified",
    folds: Annotated[int | None, typer.Option("--folds", metavar="K")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="another key of data.split, such as test=0.2"
        ),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option("--exclude", metavar="RULE", help="faults, duplicates or a clip's name"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show which clips train, validate and are held out in each fold.

    Example: genretune data folds ~/music/gtzan --split stratified --exclude faults
    """
    spec = read_spec(SplitSpec, _split_settings(split, folds, settings or []), "data.split")
    with _listening() as progress:
        store = open_corpus(directory, progress=progress)
    # Folds can be looked at while faulty clips are still in; what is excluded is left out.
    gone = resolve_exclusions(store, exclude) if exclude else ()
    members = split_clips(store, resolve_split(spec, store), gone)
    if as_json:
        print(json.dumps({str(fold): parts for fold, parts in members.items()}, indent=2))
        return
    if spec.leaks:
        print("contaminated: windows of one clip are on both sides; counts are of windows")
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
    plant: Annotated[
        list[str] | None,
        typer.Option(
            "--plant",
            metavar="KIND[=N]",
            help=f"what a scan should find: {', '.join([*FAULTS, *COPIES, GROUPS])}, or all",
        ),
    ] = None,
) -> None:
    """Write a synthetic corpus in GTZAN's layout; the same arguments give the same bytes.

    Example: genretune data synth /tmp/corpus --clips 12 --seconds 6 --plant silent --plant near=3
    """
    plants = parse_plants(plant or [])
    paths = write_corpus(directory, clips=clips, seconds=seconds, seed=seed, plants=plants)
    print(f"{len(paths)} clips of {seconds:g} s in {shown(directory)}")
    if plants:
        print(f"planted: {', '.join(f'{n} {kind}' for kind, n in plants.items())}")


def _split_settings(name: str, folds: int | None, settings: list[str]) -> dict[str, object]:
    given: dict[str, object] = {"name": name}
    if folds is not None:
        given["folds"] = folds
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise DataError(f"--set: KEY=VALUE, got {shown(setting)!r}")
        given[key.removeprefix("data.split.")] = _value(value)
    return given


def _value(text: str) -> object:
    try:
        value: object = json.loads(text)
    except ValueError:
        return text
    return value


def _print_scan(report: ScanReport) -> None:
    console = _console()
    console.print(
        f"{report.clips} clips in {len(report.labels)} classes, {report.hours:.2f} hours", style=""
    )
    console.print(Text(f"rates {_said(report.sample_rates, ' Hz')}"))
    console.print(Text(f"channels {_said(report.channels)}"))
    if report.seconds:
        spread = ", ".join(f"{name} {value:g} s" for name, value in report.seconds.items())
        console.print(Text(f"lengths {spread}"))
    if report.fingerprint:
        console.print(Text(f"fingerprint {report.fingerprint[:12]}"))
    table = _table("class", "clips")
    for label, count in report.labels.items():
        table.add_row(Text(shown(label)), str(count))
    console.print(table)
    _print_findings(console, report)


def _print_findings(console: Console, report: ScanReport) -> None:
    if report.faults:
        table = _table("file", "fault", "detail")
        for finding in report.faults:
            table.add_row(*(Text(shown(t)) for t in (finding.file, finding.fault, finding.detail)))
        console.print(table)
    if report.duplicates:
        table = _table("duplicate", "files", "")
        for entry in report.duplicates:
            files, across = entry["files"], entry["across_classes"]
            names = [shown(name) for name in files] if isinstance(files, list) else []
            note = "across classes" if across else ""
            table.add_row(str(entry["kind"]), Text("\n".join(names)), note)
        console.print(table)
    for note in report.notes:
        console.print(Text(f"note: {note}"))
    if not report.faults and not report.duplicates:
        console.print("no findings")
        return
    console.print(
        Text(
            f"{len(report.faults)} faults, {len(report.duplicates)} duplicates "
            "(data.exclude: [faults, duplicates] leaves out what cannot be used and keeps one of "
            "each; clipped clips and those of a wrong length stay in)"
        )
    )


def _said(counts: Mapping[str, int], unit: str = "") -> str:
    return ", ".join(f"{value}{unit} ({count})" for value, count in counts.items()) or "unknown"


@contextmanager
def _listening() -> Iterator[Listener | None]:
    """A bar on the terminal while clips are decoded; nothing in a pipe."""
    if not sys.stderr.isatty():
        yield None
        return
    # A descriptor of its own: listening turns the usual one away from MP3 decoders' chatter.
    with (
        os.fdopen(os.dup(sys.stderr.fileno()), "w") as terminal,
        Progress(console=Console(file=terminal), transient=True) as bar,
    ):
        task = bar.add_task("listening", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _console() -> Console:
    """Standard output; a pipe gets lines as long as they need to be."""
    return Console() if sys.stdout.isatty() else Console(width=400)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
