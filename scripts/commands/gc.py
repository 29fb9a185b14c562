"""``genretune gc``: delete surplus checkpoints and the temporary files of killed writers."""

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
            help="checkpoints to keep of finished trials: usual (best and last of completed ones), "
            "best, none or all; default: as when the sweep started"
        ),
    ] = None,
    top: Annotated[
        int | None, typer.Option(min=0, help="keep checkpoints of the top N trials only")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="only print how much would be freed")
    ] = False,
) -> int:
    """Free disk space in a run directory; checkpoints that open trials resume from are kept.

    Example: genretune gc runs/quickstart --keep best --top 10
    """
    run = RunDir(run_directory)
    saved = run.sweep()
    if run.has_driver():
        raise TuneError(
            f"{run.path}: must have no driver during gc, got a running one (genretune stop)"
        )
    policy: Keep = keep.value if keep else saved["space"].get("keep", "usual")
    with as_storage_failure(run.path):
        refuse_links(run.path)
        expected = _size(*_removable(run, policy, top))
        if dry_run:
            print(f"would free {expected}")
            return 0
        # Decided again under the lock: a driver may have run since, and none can start meanwhile.
        with run.drive():
            files, objects = _removable(run, policy, top)
            freed = _size(files, objects)
            for path in files:
                path.unlink(missing_ok=True)
            s3_run = open_s3_run(run)
            if s3_run is not None:
                s3_run.delete(objects)
    print(f"freed {freed}")
    return 0


def _removable(run: RunDir, keep: Keep, top: int | None) -> tuple[list[Path], list[StoredObject]]:
    """Return the files and the objects in S3 that can be deleted.

    These are surplus checkpoints of finished trials, and temporary files of any trial.
    """
    from genretune.tune.run.results import read_rows, read_state
    from genretune.tune.run.retention import epochs_to_keep, surplus_checkpoints

    top_trials = {row.trial for row in read_rows(run)[:top]}
    files: list[Path] = []
    objects: list[StoredObject] = []
    s3_run = open_s3_run(run)
    if s3_run is not None:
        s3_run.require_same_sweep()
    for trial in read_state(run).trials:
        folder = run.trial_path(trial.index)
        policy: Keep = keep if trial.index in top_trials else "none"
        files += surplus_checkpoints(folder, trial.status, policy)
        epochs = epochs_to_keep(folder, trial.status, policy)
        if s3_run is not None and epochs is not None:
            objects += s3_run.surplus(trial.index, epochs)
        files += [*folder.glob(".*.tmp"), *folder.glob("checkpoints/.*.tmp")]
    return files, objects


def _size(files: list[Path], objects: list[StoredObject]) -> str:
    freed = _bytes_freed(files) + sum(stored.bytes for stored in objects)
    return f"{freed / 1e6:.1f} MB in {len(files) + len(objects)} files"


def _bytes_freed(paths: list[Path]) -> int:
    """Return the bytes that deleting the files frees.

    Best and last checkpoint are often hard links to one file, which is freed with its last link.
    """
    stats = [path.stat() for path in paths]
    removed_links = Counter((stat.st_dev, stat.st_ino) for stat in stats)
    by_inode = {(stat.st_dev, stat.st_ino): stat for stat in stats}
    return sum(s.st_size for inode, s in by_inode.items() if removed_links[inode] == s.st_nlink)
