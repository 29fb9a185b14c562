"""``genretune gc``: which checkpoints and temporary files are deleted."""

import json

import pytest

from genretune.scripts.cli import run
from genretune.tune.storage.run_dir import RunDir


def names(run_dir: RunDir, trial: int) -> list[str]:
    return sorted(path.name for path in (run_dir.trial_path(trial) / "checkpoints").iterdir())


def test_keep_and_top_decide_which_checkpoints_go(
    run_dir: RunDir, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["gc", str(run_dir.path), "--dry-run", "--keep", "none"]) == 0
    assert "would free 0.0 MB in 7 files" in capsys.readouterr().out
    assert len(names(run_dir, 0)) == 3
    assert run(["gc", str(run_dir.path), "--keep", "best", "--top", "1"]) == 0
    assert names(run_dir, 0) == []
    assert names(run_dir, 1) == ["best.safetensors"]
    assert names(run_dir, 2) == ["00001.safetensors", "best.safetensors"], (
        "an open trial resumes from them"
    )


def test_the_default_is_the_policy_of_the_space(
    run_dir: RunDir, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = run_dir.sweep()
    sweep["space"]["keep"] = "best"
    run_dir.sweep_json.write_text(json.dumps(sweep))
    assert run(["gc", str(run_dir.path)]) == 0
    assert names(run_dir, 0) == ["best.safetensors"]
    assert run(["gc", str(run_dir.path), "--keep", "none"]) == 0
    assert names(run_dir, 0) == []


def test_a_directory_with_a_driver_is_refused(
    run_dir: RunDir, capsys: pytest.CaptureFixture[str]
) -> None:
    with run_dir.drive():
        assert run(["gc", str(run_dir.path)]) == 2
    assert "must have no driver during gc" in capsys.readouterr().err
    assert len(names(run_dir, 0)) == 3
