"""``genretune predict``: classify audio files with the best checkpoint of a run or a trial."""

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

_LISTED_GENRES = 3


def predict(
    run: Annotated[Path, typer.Argument(help="a run directory or a trial directory")],
    path: Annotated[Path, typer.Argument(help="an audio file or a folder of audio files")],
    trial: Annotated[str, typer.Option(help="trial of a run: best or its number")] = "best",
    plugin: Annotated[
        list[Path] | None, typer.Option(help="plug-in that the trial was run with")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print all probabilities")] = False,
) -> int:
    """Print the most probable genres of audio files; exit 1 if a file of a folder is unreadable.

    Example: genretune predict runs/quickstart song.wav
    """
    directory = _trial_directory(run, trial)
    settings = read_settings(directory / "config.json")
    # Sets environment variables that torch and its libraries read on import, so it must precede
    # the imports below.
    reexec_with_level(settings.get("determinism", "strict"), sys.argv[1:])
    from genretune.data.errors import printable_line
    from genretune.tune.training.resolve_config import trial_config
    from genretune.tune.trial.predict import Predictor, audio_files, on_available_device
    from genretune.tune.trial.standalone import check_plugins, load_plugins
    from genretune.tune.trial.trial_dir import TrialDir

    files = audio_files(path)
    plugins = load_plugins(plugin or [])
    check_plugins(settings.get("plugins", {}), plugins)
    config = trial_config(settings, plugins=plugins)
    local_config = on_available_device(config)
    if local_config != config:
        print_error("note: trained on a GPU that is not available here; predicting on the CPU")
    predictor = Predictor(TrialDir(directory), local_config, plugins)
    predictions, code = _predict_files(predictor, files, single_file=not path.is_dir())
    if as_json:
        facts = [_facts(prediction) for prediction in predictions]
        print_json(facts if path.is_dir() or not facts else facts[0])
    else:
        rows = [[printable_line(p.file, 1000), *_likeliest(p)] for p in predictions]
        print_table(rows, ["file", "genre", "probability", "next"])
    return code


def _predict_files(
    predictor: "Predictor", files: Sequence[Path], *, single_file: bool
) -> tuple[list["Prediction"], int]:
    """Return the predictions and the exit code; after Ctrl-C, the predictions made so far.

    Args:
        single_file: whether the command line names one file, whose error ends the command; an
            unreadable file of a folder is reported and skipped.

    Raises:
        DataError: if a single file cannot be read.
    """
    from genretune.data.errors import DataError

    predictions: list[Prediction] = []
    unreadable = 0
    try:
        with status_spinner("classifying") as say:
            for number, file in enumerate(files, start=1):
                say(f"classifying: {number} of {len(files)}")
                try:
                    predictions.append(predictor.predict(file))
                except DataError as error:
                    if single_file:
                        raise
                    unreadable += 1
                    print_error(str(error))
    except KeyboardInterrupt:
        print_error(f"interrupted after {len(predictions) + unreadable} of {len(files)} files")
        return predictions, 130
    return predictions, 1 if unreadable else 0


def _trial_directory(run: Path, trial: str) -> Path:
    """Return the trial's directory; fetches its best checkpoint if the run stores them in S3.

    Raises:
        TuneError: if ``trial`` selects several trials.
    """
    if (run / "config.json").exists():
        return run
    from genretune.tune.run.results import choose_trials
    from genretune.tune.storage.run_dir import RunDir
    from genretune.tune.storage.s3_run import open_s3_run

    chosen = choose_trials(run, trial)
    if len(chosen) > 1:
        raise TuneError(f"--trial: must be best or a trial's number, got {trial} (name one trial)")
    directory, index = chosen[0]
    remote = open_s3_run(RunDir(run))
    if remote is not None and index is not None:
        remote.download_best(index)
    return directory


def _facts(prediction: "Prediction") -> dict[str, Any]:
    return {
        "file": prediction.file,
        "genre": prediction.best,
        "windows": prediction.windows,
        "seconds": prediction.seconds,
        "probabilities": prediction.probabilities,
    }


def _likeliest(prediction: "Prediction") -> list[str]:
    """Return the cells of a table row: best genre, its probability, the next ones."""
    ranking = sorted(prediction.probabilities.items(), key=lambda item: -item[1])[:_LISTED_GENRES]
    others = ", ".join(f"{name} {probability:.2f}" for name, probability in ranking[1:])
    return [ranking[0][0], f"{ranking[0][1]:.2f}", others]
