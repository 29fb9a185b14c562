"""``genretune gc``: remove checkpoints that are not needed, and what dead writers left."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from genretune.scripts.sweep_options import KeepChoice
from genretune.tune.errors import TuneError
from genretune.tune.space.settings import Keep
from genretune.tune.storage.atomic_io import as_storage_failure
from genretune.tune.storage.run_dir import RunDir
from genretune.tune.storage.s3_run import StoredObject, open_s3_run
from genretune.tune.storage.untrusted import refuse_links


def gc(
    run_directory: Annotated[Path, typer.Argument(metavar="RUN", help="the run directory")],
    keep: Annotated[
        KeepChoice | None,
        typer.Option(
            help="of finished trials: usual (completed: best and last), best, none, all; "
            "default as the sweep began"
        ),
    ] = None,
    top: Annotated[
        int | None, typer.Option(min=0, help="keep those of the first so many trials only")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only say what would go")] = False,
) -> int:
    """Free disk space in a run directory; open trials keep all that they continue from.

    Example: genretune gc runs/quickstart --keep best --top 10
    """
    run = RunDir(run_directory)
    saved = run.sweep()
    if run.driving():
        raise TuneError(f"{run.path}: must not be driven while it is cleaned (genretune stop)")
    kept: Keep = keep.value if keep else saved["space"].get("keep", "usual")
    with as_storage_failure(run.path):
        refuse_links(run.path)
        expected = _told(*_removable(run, kept, top))
        if dry_run:
            print(f"would free {expected}")
            return 0
        with run.drive():  # no driver begins meanwhile
            gone, away = _removable(run, kept, top)
            freed = _told(gone, away)
            for path in gone:
                path.unlink(missing_ok=True)
            remote = open_s3_run(run)
            if remote is not None:
                remote.delete(away)
    print(f"freed {freed}")
    return 0


def _removable(run: RunDir, keep: Keep, top: int | None) -> tuple[list[Path], list[StoredObject]]:
    """What need not be kept of finished trials, here and in S3; what dead writers left of any."""
    from genretune.tune.run.results import read_rows, read_state
    from genretune.tune.run.retention import epochs_to_keep, surplus_checkpoints

    first = {row.trial for row in read_rows(run)[:top]}
    gone: list[Path] = []
    away: list[StoredObject] = []
    remote = open_s3_run(run)
    if remote is not None:
        remote.require_same()
    for trial in read_state(run).trials:
        folder = run.trial_path(trial.index)
        rule: Keep = keep if trial.index in first else "none"
        gone += surplus_checkpoints(folder, trial.status, rule)
        epochs = epochs_to_keep(folder, trial.status, rule)
        if remote is not None and epochs is not None:
            away += remote.surplus(trial.index, epochs)
        gone += [*folder.glob(".*.tmp"), *folder.glob("checkpoints/.*.tmp")]
    return gone, away


def _told(gone: list[Path], away: list[StoredObject]) -> str:
    freed = _bytes(gone) + sum(saved.bytes for saved in away)
    return f"{freed / 1e6:.1f} MB in {len(gone) + len(away)} files"


def _bytes(paths: list[Path]) -> int:
    """What removing these frees: best and last are often one file with two names."""
    links = Counter((path.stat().st_dev, path.stat().st_ino) for path in paths)
    facts = {(s.st_dev, s.st_ino): s for s in (path.stat() for path in paths)}
    return sum(s.st_size for key, s in facts.items() if links[key] == s.st_nlink)
