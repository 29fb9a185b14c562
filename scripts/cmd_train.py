"""``genretune train``: one training without a sweep."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from genretune.scripts.terminal import print_json
from genretune.tune.levels import start_anew
from genretune.tune.settings_file import read_settings


def train(
    file: Annotated[Path, typer.Argument(help="a trial's YAML, or any config.json")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="key=value, e.g. optimizer.lr=0.001")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="the corpus; a pack is found without")] = None,
    out: Annotated[Path | None, typer.Option(help="the trial's folder")] = None,
    plugin: Annotated[list[Path] | None, typer.Option(help="your own models or features")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the result as JSON")] = False,
) -> int:
    """Train one configuration; a folder that holds part of it is continued.

    Example: genretune train trial.yaml --data DIR optimizer.lr=0.001 feature.name=melspec
    """
    settings = read_settings(file, overrides or [])
    start_anew(settings.get("determinism", "strict"), sys.argv[1:])
    from genretune.tune.single import prepare, run_single

    single = prepare(settings, data=data, plugins=plugin or [])
    folder = out or Path("runs") / file.stem
    outcome = run_single(single, folder, on_report=None if as_json else _say)
    if as_json:
        print_json({"status": outcome.status, "why": outcome.why, "history": outcome.history})
    else:
        print(f"{outcome.status}: {outcome.why}; records in {folder}")
    return 0


def _say(record: Mapping[str, Any]) -> None:
    print(
        f"epoch {record['epoch']}: loss {record['trn_loss']:.4f}, "
        f"validation loss {record['val_loss']:.4f}, window accuracy {record['val_acc']:.3f}, "
        f"clip accuracy {record['val_clip_accuracy']:.3f}, {record['seconds']:.1f} s",
        flush=True,
    )
