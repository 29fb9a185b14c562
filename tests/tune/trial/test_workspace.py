"""A worker of a sweep in S3 reads nothing from the driver's disk."""

from pathlib import Path

import pytest

from genretune.tune.storage.atomic_io import StorageFailure
from genretune.tune.storage.object_store import ObjectStore
from genretune.tune.storage.run_dir import Lease, RunDir
from genretune.tune.storage.s3_run import S3Run
from genretune.tune.trial.workspace import s3_workspace
from tests.s3_server import S3

PLUGIN = """\
from torch import nn


def mine(classes: int, channels: int = 1) -> nn.Module:
    return nn.Flatten()


MODELS = {"mine": mine}
"""


def test_sweep_and_plugins_come_from_s3(s3: S3, tmp_path: Path) -> None:
    uri = s3.uri("workspace")
    with pytest.raises(StorageFailure, match="must hold driver.json"):
        with s3_workspace(uri, 4, Lease(1), ["my_model.py"]):
            pass
    plugin = tmp_path / "my_model.py"
    plugin.write_text(PLUGIN)
    run = RunDir(tmp_path / "run")
    run.create("name: x", {"version": 1, "space": {"name": "x"}}, uri)
    S3Run(run, ObjectStore(uri)).claim(1, [plugin])
    with s3_workspace(uri, 4, Lease(1), ["my_model.py"]) as workspace:
        assert workspace.sweep["space"] == {"name": "x"}
        assert list(workspace.plugins) == ["my_model.py"]
        assert list(workspace.plugins["my_model.py"].models) == ["mine"]
        scratch = workspace.trial_dir.path
        assert scratch.is_dir() and run.path not in scratch.parents
    assert not scratch.exists()
    assert run.storage() == uri
