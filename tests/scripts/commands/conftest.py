"""A run directory for commands that read or clean one."""

import os
from pathlib import Path

import pytest

from genretune.tune.run.journal import Journal
from genretune.tune.space.load import space_from_text
from genretune.tune.storage.run_dir import RunDir
from genretune.tune.sweep.state_machine import StateMachine
from tests.spaces import tiny_space

SPACE = tiny_space(1)


@pytest.fixture
def run_dir(tmp_path: Path) -> RunDir:
    """Two completed trials, trial 1 the better one, and an open one; checkpoints of each."""
    space = space_from_text(SPACE, "tiny.yaml", [])
    folder = RunDir(tmp_path / "run")
    rest = {"overrides": [], "device": "cpu", "determinism": "strict", "plugins": {}}
    data = {"samples": "0" * 64, "sample_rate": 22050}
    rest |= {"data": data, "leakage": {}, "source": None}
    sweep = {"version": 1, "space": space.as_json(), **rest}
    folder.create(SPACE, sweep)
    with Journal(folder.journal) as journal:
        state_machine = StateMachine(space)
        state_machine.begin(host="here", pid=1, environment={})
        for trial in range(3):
            state_machine.next_segment(range(trial))
        for trial, value in ((0, 0.5), (1, 0.4)):
            state_machine.report(trial, 1, value, "a")
            state_machine.ended(trial, "completed", 1, "all epochs")
        journal.append(state_machine.take_events())
    for trial in range(3):
        saved = folder.trial_path(trial) / "checkpoints"
        saved.mkdir(parents=True)
        (saved / "00001.safetensors").write_bytes(b"x" * 1000)
        os.link(saved / "00001.safetensors", saved / "best.safetensors")
        (saved / ".00002.safetensors.g1-0-99.tmp").write_bytes(b"x" * 500)
    return folder
