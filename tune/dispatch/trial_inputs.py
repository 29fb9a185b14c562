"""What a node trains a trial from: the trial's workspace and its configuration."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from genretune.tune.run.sweep_config import sweep_trial_config
from genretune.tune.space.load import space_from_json
from genretune.tune.storage.run_dir import Lease
from genretune.tune.training.config import TrialConfig
from genretune.tune.training.resolve_config import trial_config
from genretune.tune.trial.workspace import TrialWorkspace, run_workspace, s3_workspace


def open_workspace(
    run: str, storage: str | None, trial: int, lease: Lease, plugins: Sequence[str]
) -> AbstractContextManager[TrialWorkspace]:
    """Open a trial for a ``with`` block.

    Args:
        run: the run directory; not used where ``storage`` is given.
        storage: URI in S3 of checkpoints and records; None for the run directory.
        plugins: paths of the plug-in files on the driver's machine.

    Raises:
        StorageFailure: the storage fails for the lease's ``io_timeout``.
        Replaced: the segment was given up.
    """
    paths = [Path(path) for path in plugins]
    if storage is None:
        return run_workspace(Path(run), trial, lease, paths)
    return s3_workspace(storage, trial, lease, [path.name for path in paths])


def saved_config(
    workspace: TrialWorkspace, parameters: Mapping[str, object], seed: int
) -> TrialConfig:
    """Return the trial's configuration; written into its folder before anything runs.

    Args:
        parameters, seed: of the trial; not used once its ``config.json`` is there.

    Raises:
        TuneError, ModelError: the parameters are incompatible.
    """
    folder, sweep = workspace.trial_dir, workspace.sweep
    if (folder.path / "config.json").exists():
        return trial_config(folder.config(), plugins=workspace.plugins)
    space = space_from_json(sweep["space"])
    config = sweep_trial_config(space, sweep, parameters, seed, workspace.plugins)
    folder.write_config(config)
    return config
