"""``genretune data``: scan a corpus, pack it, list its folds, or write a synthetic one."""

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

from genretune.data.clip_analysis import Progress as ProgressCallback
from genretune.data.errors import DataError, printable_line
from genretune.data.exclude import resolve_exclusions
from genretune.data.scan import ScanReport, read_headers, scan_corpus
from genretune.data.specs import SplitSpec, read_spec
from genretune.data.splits.fold_windows import split_clips
from genretune.data.splits.split_file import resolve_split
from genretune.data.store import open_corpus
from genretune.data.synthetic.inject_faults import COPIES, FAULTS, GROUPS, parse_fault_counts
from genretune.data.synthetic.synth import write_corpus

app = typer.Typer(
    no_args_is_help=True, help="Scan a corpus, pack it, list its folds, or write a synthetic one."
)

Folder = Annotated[
    Path, typer.Argument(metavar="DIR", help="folder with one folder per class, or a manifest")
]
Rate = Annotated[
    int, typer.Option("--sample-rate", min=1000, max=384000, help="of the packed samples, in Hz")
]
Json = Annotated[bool, typer.Option("--json", help="print the result as JSON")]


@app.command()
def scan(
    directory: Folder,
    as_json: Json = False,
    headers: Annotated[
        bool, typer.Option("--headers", help="read headers only: faster, but finds fewer faults")
    ] = False,
    sample_rate: Rate = 22050,
) -> None:
    """Report the contents, faults and duplicates of a corpus; exit 1 if there are any findings.

    Example: genretune data scan ~/music/gtzan
    """
    if headers:
        report = read_headers(directory)
    else:
        with _progress_bar() as progress:
            report = scan_corpus(directory, sample_rate=sample_rate, progress=progress)
    if as_json:
        print(json.dumps(report.as_json(), indent=2))
    else:
        _print_scan(report)
    if report.faults or report.duplicates:
        raise typer.Exit(1)


@app.command()
def pack(directory: Folder, as_json: Json = False, sample_rate: Rate = 22050) -> None:
    """Write the memory-mapped file that training reads; other commands do so on first use.

    Example: genretune data pack ~/music/gtzan
    """
    with _progress_bar() as progress:
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
    folds: Annotated[
        int | None, typer.Option("--folds", metavar="K", help="number of folds")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="any other key of data.split, such as test=0.2"
        ),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option("--exclude", metavar="RULE", help="faults, duplicates or a clip's name"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show the training, validation and test clips of each fold.

    Example: genretune data folds ~/music/gtzan --split stratified --exclude faults
    """
    spec = read_spec(SplitSpec, _split_settings(split, folds, settings or []), "data.split")
    with _progress_bar() as progress:
        store = open_corpus(directory, progress=progress)
    # Without --exclude nothing is resolved, as that would refuse a corpus with faulty clips, whose
    # folds are worth a look as well.
    excluded = resolve_exclusions(store, exclude) if exclude else ()
    clips_by_fold = split_clips(store, resolve_split(spec, store), excluded)
    if as_json:
        print(json.dumps({str(fold): clips for fold, clips in clips_by_fold.items()}, indent=2))
        return
    if spec.leaks:
        print(
            "contaminated: windows of one clip are in both training and validation; "
            "counts are windows"
        )
    subsets = list(next(iter(clips_by_fold.values())))
    table = _table("fold", *subsets)
    for fold, clips in clips_by_fold.items():
        table.add_row(str(fold), *(str(len(clips.get(subset, []))) for subset in subsets))
    _console().print(table)


@app.command()
def synth(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="a new or empty folder")],
    clips: Annotated[int, typer.Option("--clips", metavar="N", help="clips per class")] = 100,
    seconds: Annotated[
        float, typer.Option("--seconds", metavar="S", help="length of a clip")
    ] = 30.0,
    seed: Annotated[int, typer.Option("--seed", metavar="K", help="of the generator")] = 0,
    plant: Annotated[
        list[str] | None,
        typer.Option(
            "--plant",
            metavar="KIND[=N]",
            help=f"inject a fault N times: {', '.join([*FAULTS, *COPIES, GROUPS])}, or all",
        ),
    ] = None,
) -> None:
    """Write a synthetic corpus in GTZAN's layout; the same arguments give the same bytes.

    Example: genretune data synth /tmp/corpus --clips 12 --seconds 6 --plant silent --plant near=3
    """
    faults = parse_fault_counts(plant or [])
    paths = write_corpus(directory, clips=clips, seconds=seconds, seed=seed, faults=faults)
    print(f"{len(paths)} clips of {seconds:g} s in {printable_line(directory)}")
    if faults:
        print(f"injected: {', '.join(f'{n} {kind}' for kind, n in faults.items())}")


def _split_settings(name: str, folds: int | None, settings: list[str]) -> dict[str, object]:
    values: dict[str, object] = {"name": name}
    if folds is not None:
        values["folds"] = folds
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise DataError(f"--set: must be KEY=VALUE, got {printable_line(setting)!r}")
        values[key.removeprefix("data.split.")] = _parse_value(value)
    return values


def _parse_value(text: str) -> object:
    """Return a JSON value, or the text itself if it is not JSON."""
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
    console.print(Text(f"rates {_format_counts(report.sample_rates, ' Hz')}"))
    console.print(Text(f"channels {_format_counts(report.channels)}"))
    if report.seconds:
        spread = ", ".join(f"{name} {value:g} s" for name, value in report.seconds.items())
        console.print(Text(f"lengths {spread}"))
    if report.fingerprint:
        console.print(Text(f"fingerprint {report.fingerprint[:12]}"))
    table = _table("class", "clips")
    for label, count in report.labels.items():
        table.add_row(Text(printable_line(label)), str(count))
    console.print(table)
    _print_findings(console, report)


def _print_findings(console: Console, report: ScanReport) -> None:
    if report.faults:
        table = _table("file", "fault", "detail")
        for finding in report.faults:
            cells = (finding.file, finding.fault, finding.detail)
            table.add_row(*(Text(printable_line(cell)) for cell in cells))
        console.print(table)
    if report.duplicates:
        table = _table("duplicate", "files", "")
        for entry in report.duplicates:
            files = "\n".join(printable_line(file) for file in entry["files"])
            note = "across classes" if entry["across_classes"] else ""
            table.add_row(entry["kind"], Text(files), note)
        console.print(table)
    for note in report.notes:
        console.print(Text(f"note: {note}"))
    if not report.faults and not report.duplicates:
        console.print("no findings")
        return
    console.print(
        Text(
            f"{len(report.faults)} faults, {len(report.duplicates)} duplicates "
            "(data.exclude: [faults, duplicates] excludes unusable clips and keeps one of each "
            "recording; clipped clips and clips of a wrong length are used)"
        )
    )


def _format_counts(counts: Mapping[str, int], unit: str = "") -> str:
    return ", ".join(f"{value}{unit} ({count})" for value, count in counts.items()) or "unknown"


@contextmanager
def _progress_bar() -> Iterator[ProgressCallback | None]:
    """Show a progress bar while clips are decoded, if standard error is a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    # A duplicate of the descriptor: the original is redirected while MP3 files are decoded.
    with (
        os.fdopen(os.dup(sys.stderr.fileno()), "w") as terminal,
        Progress(console=Console(file=terminal), transient=True) as bar,
    ):
        task = bar.add_task("decoding", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _console() -> Console:
    """Return a console on standard output that does not wrap lines in a pipe."""
    return Console() if sys.stdout.isatty() else Console(width=400)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
