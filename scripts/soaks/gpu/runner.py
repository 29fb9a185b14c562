"""Runs the parts of a soak test or a benchmark one after the other and keeps their record."""

import argparse
import importlib.util
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from genretune.scripts.soaks.gpu.processes import Context, ask
from genretune.scripts.soaks.gpu.record import Finding, OtherRecord, Record

PART_SECONDS = 480.0
RAY_NEEDS = ("ray", "soundfile", "soxr", "pyarrow", "optuna", "sklearn", "safetensors", "psutil")


@dataclass(frozen=True)
class Part:
    """A part; ``about`` is one line for ``--list``."""

    run: Callable[[Context], Iterator[Finding]]
    about: str
    needs_ray: bool = False


def parser(prog: str, description: str | None) -> argparse.ArgumentParser:
    """Return the parser of the options that soak test and benchmark share."""
    raw = argparse.RawDescriptionHelpFormatter
    made = argparse.ArgumentParser(prog, description=description, formatter_class=raw)
    add = made.add_argument
    add("--part", action="append", metavar="NAME", help="a part to run, several times; default all")
    add("--list", action="store_true", help="list the parts")
    add("--out", type=Path, metavar="FILE", help="record that a later call continues")
    add("--device", choices=("cuda", "cpu"), default="cuda", help="default: cuda")
    add("--size", choices=("full", "tiny"), default="full", help="of the trials; default: full")
    return made


def run(
    prog: str,
    parts: Mapping[str, Part],
    options: argparse.Namespace,
    *,
    finish: Callable[[Record], None] = lambda record: None,
) -> int:
    """Run the chosen parts; return 1 if a check has failed, 2 if the options are wrong, else 0.

    Args:
        finish: called at the end with the record.
    """
    if options.list:
        for name, part in parts.items():
            print(f"{name:14}{part.about}{' (needs Ray)' if part.needs_ray else ''}")
        return 0
    chosen = list(dict.fromkeys(options.part or parts))
    if unknown := [name for name in chosen if name not in parts]:
        return _refuse(prog, f"--part: must be one of {', '.join(parts)}, got {unknown[0]}")
    record = Record(options.out, quiet=getattr(options, "json", False))
    before = record.held
    facts = ask(Context("", options.device, options.size, record), "header", ["facts"])["facts"]
    if error := facts.get("error"):
        rule = str(error).removeprefix("TuneError: ").split(" (")[0]
        return _refuse(prog, f"{rule} (--device cpu --size tiny runs what needs none)")
    try:
        record.begin(facts["facts"])
    except OtherRecord as other:
        return _refuse(prog, str(other))
    for name in chosen:
        run_part(parts[name], Context(name, options.device, options.size, record))
    passed = record.end(before=before)
    finish(record)
    return 0 if passed else 1


def run_part(part: Part, context: Context, seconds: float = PART_SECONDS) -> None:
    """Run a part for at most ``seconds`` and record what it finds."""
    record, began = context.record, time.monotonic()
    with context.time_limit(seconds):
        try:
            for finding in _findings(part, context):
                if context.late:
                    break
                if record.done(context.part, finding.check) is None:
                    record.add(context.part, finding, time.monotonic() - began)
                began = time.monotonic()
        except Exception as error:
            if not context.late:
                text = " ".join(f"{type(error).__name__}: {error}".split())
                found = Finding("the part itself", passed=False, detail=text[:500])
                record.add(context.part, found, time.monotonic() - began)
    if context.late:
        text = f"{seconds:g} s are over (call it again with the same --out for the rest)"
        record.add(context.part, Finding("time", passed=False, detail=text), seconds)


def _findings(part: Part, context: Context) -> Iterable[Finding]:
    missing = [name for name in RAY_NEEDS if part.needs_ray and not _is_installed(name)]
    if missing:
        return [Finding(context.part, skipped=f"not installed: {', '.join(missing)}")]
    return part.run(context)


def _is_installed(package: str) -> bool:
    if package in sys.modules:
        return sys.modules[package] is not None  # None hides it
    spec = importlib.util.find_spec(package)
    return spec is not None and spec.origin is not None  # any folder of that name is found, too


def _refuse(prog: str, message: str) -> int:
    print(f"{prog}: {message}", file=sys.stderr)
    return 2
