"""``genretune predict``: the genre of audio files, from the best checkpoint of a run or a trial."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from genretune.scripts.terminal import print_error, print_json, print_table, status_spinner
from genretune.tune.errors import TuneError
from genretune.tune.reproducibility.determinism_env import reexec_with_level
from genretune.tune.trial.settings_file import read_settings

if TYPE_CHECKING:
    from genretune.tune.trial.predict import Prediction, Predictor

_SHOWN = 3


def predict(
    run: Annotated[Path, typer.Argument(help="a run directory, or a trial's folder")],
    path: Annotated[Path, typer.Argument(help="an audio file, or a folder of them")],
    trial: Annotated[str, typer.Option(help="of a run: best, or a trial's number")] = "best",
    plugin: Annotated[list[Path] | None, typer.Option(help="the plug-ins it was run with")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print all probabilities")] = False,
) -> int:
    """Say what audio files probably are; exit 1 where one of several cannot be read.

    Example: genretune predict runs/quickstart song.wav
    """
    folder = _folder(run, trial)
    settings = read_settings(folder / "config.json")
    reexec_with_level(settings.get("determinism", "strict"), sys.argv[1:])
    from genretune.data.errors import shown
    from genretune.tune.training.resolve_config import trial_config
    from genretune.tune.trial.predict import Predictor, audio_files, on_this_machine
    from genretune.tune.trial.standalone import check_plugins, load_plugins
    from genretune.tune.trial.trial_dir import TrialDir

    files = audio_files(path)
    plugins = load_plugins(plugin or [])
    check_plugins(settings.get("plugins", {}), plugins)
    config = trial_config(settings, plugins=plugins)
    here = on_this_machine(config)
    if here != config:
        print_error("note: trained on a GPU, and there is none here: the CPU predicts")
    predictor = Predictor(TrialDir(folder), here, plugins)
    found, code = _listen(predictor, files, alone=not path.is_dir())
    if as_json:
        facts = [_facts(one) for one in found]
        print_json(facts if path.is_dir() or not facts else facts[0])
    else:
        rows = [[shown(one.file, 1000), *_likeliest(one)] for one in found]
        print_table(rows, ["file", "genre", "probability", "then"])
    return code


def _listen(
    predictor: "Predictor", files: Sequence[Path], *, alone: bool
) -> tuple[list["Prediction"], int]:
    """What each file probably is, and the exit code; Ctrl-C keeps what is known by then.

    Args:
        alone: one file was asked for, so what is wrong with it is the command's error.
    """
    from genretune.data.errors import DataError

    found: list[Prediction] = []
    unread = 0
    try:
        with status_spinner("listening") as say:
            for number, file in enumerate(files, start=1):
                say(f"listening: {number} of {len(files)}")
                try:
                    found.append(predictor.predict(file))
                except DataError as error:
                    if alone:
                        raise
                    unread += 1
                    print_error(str(error))
    except KeyboardInterrupt:
        print_error(f"interrupted after {len(found) + unread} of {len(files)} files")
        return found, 130
    return found, 1 if unread else 0


def _folder(run: Path, trial: str) -> Path:
    """The trial's folder that is meant."""
    if (run / "config.json").exists():
        return run
    from genretune.tune.run.results import choose
    from genretune.tune.storage.run_dir import RunDir
    from genretune.tune.storage.s3_run import open_s3_run

    chosen = choose(run, trial)
    if len(chosen) > 1:
        raise TuneError(f"--trial: must be best or a trial's number, got {trial}")
    folder, index = chosen[0]
    remote = open_s3_run(RunDir(run))
    if remote is not None and index is not None:
        remote.download_best(index)
    return folder


def _facts(one: "Prediction") -> dict[str, Any]:
    return {
        "file": one.file,
        "genre": one.best,
        "windows": one.windows,
        "seconds": one.seconds,
        "probabilities": one.probabilities,
    }


def _likeliest(one: "Prediction") -> list[str]:
    order = sorted(one.probabilities.items(), key=lambda item: -item[1])[:_SHOWN]
    others = ", ".join(f"{name} {share:.2f}" for name, share in order[1:])
    return [order[0][0], f"{order[0][1]:.2f}", others]
