"""A sweep with its checkpoints and records in S3: suspended, killed, resumed, replayed."""

import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from genretune.tune.storage.object_store import ObjectStore
from genretune.tune.storage.s3_run import stored_objects
from tests.integration.driver import Driver
from tests.s3_server import CREDENTIALS, S3

pytestmark = pytest.mark.integration

Genretune = Callable[..., subprocess.CompletedProcess[str]]
Rows = Callable[[Path], list[dict[str, Any]]]


def test_suspended_killed_and_resumed_equals_a_sweep_on_disk(
    s3: S3,
    space: Path,
    corpus: Path,
    finished: Path,
    tmp_path: Path,
    genretune: Genretune,
    leaderboard_of: Rows,
) -> None:
    run, uri = tmp_path / "run", s3.uri("sweeps/one")
    where = ("--data", corpus, "--out", run, "--storage", uri, "-W", "2")
    driver = Driver(run, "search", space, *where)
    driver.until("report", 2)
    s3.process.send_signal(signal.SIGSTOP)
    try:
        time.sleep(5)
    finally:
        s3.process.send_signal(signal.SIGCONT)
    driver.until("report", 5)
    driver.process.send_signal(signal.SIGKILL)
    driver.wait()
    assert not list(run.glob("trials/*/checkpoints")), "they are in S3"

    refused = genretune("search", space, *where[:3], tmp_path / "other", *where[4:])
    assert refused.returncode == 2 and "which holds a sweep already" in refused.stderr

    done = genretune("resume", run, "-W", "2")
    assert done.returncode == 0, done.stderr
    rows = leaderboard_of(run)
    assert rows == leaderboard_of(finished)
    for row in rows:
        folder = run / "trials" / f"{row['trial']:05d}"
        result = json.loads((folder / "result.json").read_text())
        assert (result["status"], result["why"]) == (row["status"], row["why"])
        assert result["history"][-1]["weights_sha256"] == row["weights_sha256"]
        expected = finished / "trials" / f"{row['trial']:05d}" / "config.json"
        assert (folder / "config.json").read_bytes() == expected.read_bytes()
        kept = {saved.epoch for saved in stored_objects(ObjectStore(uri), row["trial"])}
        completed = row["status"] == "completed"
        assert kept == ({result["best_epoch"], row["epochs"]} if completed else set())
    secret = CREDENTIALS["AWS_SECRET_ACCESS_KEY"].encode()
    assert not [path for path in run.rglob("*") if path.is_file() and secret in path.read_bytes()]

    replayed = genretune("replay", run, "--trial", "best", "--data", corpus, "--json")
    assert json.loads(replayed.stdout)["verdict"] == "exact"
    song = next(corpus.rglob("*.wav"))
    ours, theirs = (genretune("predict", one, song, "--json") for one in (run, finished))
    assert ours.returncode == 0 and ours.stdout == theirs.stdout
    freed = genretune("gc", run, "--keep", "none")
    assert freed.returncode == 0 and stored_objects(ObjectStore(uri)) == []
