"""A run directory of a sweep of three trials, none of them created."""

from pathlib import Path

import pytest

from genretune.tune.space.load import space_from_text
from genretune.tune.storage.run_dir import RunDir
from tests.spaces import SWEEP, tiny_space


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    """A new run directory, without a journal."""
    text = tiny_space(2)
    run_dir = RunDir(tmp_path / "run")
    space = space_from_text(text, "tiny.yaml", []).as_json()
    run_dir.create(text, SWEEP | {"space": space})
    return run_dir
