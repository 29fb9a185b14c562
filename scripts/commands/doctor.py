"""``genretune doctor``: check every node of a cluster, with a remedy for each problem."""

import shutil
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from genretune.scripts import sweep_options
from genretune.scripts.terminal import (
    packing_progress,
    print_error,
    print_json,
    print_table,
    printable,
    status_spinner,
)
from genretune.tune.dispatch.run_options import Resources, RunOptions
from genretune.tune.dispatch.signals import INTERRUPTION_EXIT_CODES, handle_signals
from genretune.tune.errors import TuneError

if TYPE_CHECKING:
    from genretune.tune.dispatch.doctor.findings import Finding
    from genretune.tune.run.sweep_setup import Sweep


def doctor(
    address: sweep_options.Address = "local",
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="the corpus or a packed corpus")
    ] = None,
    out: Annotated[Path, typer.Option(help="folder for run directories")] = Path("runs"),
    storage: sweep_options.StorageUri = None,
    train: Annotated[
        Path | None,
        typer.Option(
            metavar="SPACE.yaml",
            help="also train a short epoch of its first trial on every node and compare weights",
        ),
    ] = None,
    resources: sweep_options.TrialResources = None,
    plugin: Annotated[
        list[Path] | None, typer.Option("--plugin", help="Python file that SPACE.yaml needs")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print facts as JSON")] = False,
) -> int:
    """Check software, GPUs, clock, storage, data, cache and ports of every node before a sweep.

    Exits with 1 if a check failed; warnings do not count.

    Example: genretune doctor --address auto --data DIR --out /shared/runs --train SPACE.yaml
    """
    options = _options(address, resources, storage)
    sweep = None
    if train is not None:
        sweep = _sweep(train, data, plugin or [], options)
    elif resources is not None or plugin:
        name, value = ("--resources", resources) if resources else ("--plugin", plugin[0])  # type: ignore[index]
        raise TuneError(f"{name}: must be given with --train, got {value} (add --train SPACE.yaml)")
    targets = {
        "data": None if data is None else str(data.absolute()),
        # of a sweep in S3 only the driver uses the run directory
        "out": str(out.absolute()) if storage is None else None,
        "storage": storage,
        "level": "strict" if sweep is None else sweep.level,
        "device": None if sweep is None else sweep.device,
    }
    with handle_signals() as stop_signal:  # unwound, so that nothing stays on the storage
        try:
            findings = _check(options, targets, sweep, out)
        except BaseException:  # Ray's compiled parts turn Interrupted into a SystemError
            if stop_signal.kind is None:
                raise
            print_error("interrupted before every node was checked")
            return INTERRUPTION_EXIT_CODES[stop_signal.kind]
    if as_json:
        print_json([asdict(one) | {"ok": one.severity == "ok"} for one in findings])
    else:
        _show(findings)
    return 1 if any(one.severity == "FAILED" for one in findings) else 0


def _options(address: str, resources: str | None, storage: str | None) -> RunOptions:
    """Return the options of ``search`` that the doctor shares.

    Raises:
        TuneError: one of them is invalid.
    """
    from genretune.tune.storage.object_store import check_uri

    if storage is not None:
        check_uri(storage)
    return sweep_options.run_options(
        address,
        None,
        resources,
        time=None,
        until=None,
        hang_timeout=600.0,
        io_timeout=600.0,
        keep=None,
        machine_class=None,
        allow_mixed=False,
        storage=storage,
    )


def _sweep(space: Path, data: Path | None, plugins: Sequence[Path], options: RunOptions) -> "Sweep":
    """Set up the sweep of a space as ``search`` does.

    Raises:
        TuneError, DataError, ModelError: one line for each error.
    """
    from genretune.tune.reproducibility.determinism_env import reexec_with_level
    from genretune.tune.space.load import load_space

    loaded = load_space(space, [])
    if data is None:
        raise TuneError(
            "--data: must name the corpus that --train trains on, got nothing (add --data DIR)"
        )
    reexec_with_level(loaded.trial.get("determinism", "strict"), sys.argv[1:])  # type: ignore[arg-type]
    with status_spinner("loading torch") as say:
        from genretune.scripts.launch import sweep_device
        from genretune.tune.run.sweep_setup import new_sweep

        say("checking the search space and the corpus")
        device, progress = sweep_device(loaded, options), packing_progress(say)
        return new_sweep(loaded, data, device=device, plugins=plugins, progress=progress)


def _check(
    options: RunOptions, targets: dict[str, Any], sweep: "Sweep | None", out: Path
) -> "list[Finding]":
    """Start or join Ray and return all findings.

    Raises:
        TuneError: no cluster answers at the address.
    """
    from genretune.tune.dispatch.cluster import cluster
    from genretune.tune.dispatch.doctor.check_nodes import check_nodes

    with (
        status_spinner("joining Ray") as say,
        cluster(options.address, level=targets["level"], gpus=True),
    ):
        say("asking every node")
        findings = check_nodes(targets, options.address)
        if sweep is None:
            return findings
        from genretune.tune.dispatch.doctor.training_check import TrainingCheck, check_training

        say("training a short epoch on every node")
        check = TrainingCheck(sweep, options.resources or Resources(), out, options.storage)
        return findings + check_training(check)


def _show(findings: "Sequence[Finding]") -> None:
    """Print a table of all checks, then each problem in a sentence of its own.

    On a narrow terminal the table is cut, the sentences are not.
    """
    rows = [[one.severity, one.node, one.check, one.found] for one in findings]
    if sys.stdout.isatty():
        taken = sum(max(len(row[column]) for row in rows) + 2 for column in range(3))
        room = max(shutil.get_terminal_size().columns - taken, 20)
        rows = [[*row[:3], textwrap.shorten(row[3], room, placeholder="...")] for row in rows]
    print_table(rows, ["", "node", "check", "found"], full_output="--json", min_columns=3)
    problems = [one for one in findings if one.severity != "ok"]
    if problems:
        print()
    for one in sorted(problems, key=lambda one: one.severity == "warning"):
        print(printable(f"{one.severity}: {one.node}: {one.check}: {one.found} ({one.remedy})"))
    failed = sum(one.severity == "FAILED" for one in findings)
    warnings = len(problems) - failed
    plural = "" if warnings == 1 else "s"
    print(f"\n{len(findings)} checks: {failed} failed, {warnings} warning{plural}")
