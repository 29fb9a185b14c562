"""Shared fixtures: a tiny corpus, settings of a tiny trial, the command line, an S3 server."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from genretune.data.store import Store, open_corpus
from genretune.data.synthetic.synth import write_corpus
from genretune.tune.reproducibility.determinism_env import ENVIRONMENT, MALLOC_ENVIRONMENT
from tests.s3_server import CREDENTIALS, S3, s3_server

# Set before torch is imported, as the command line does, so that no command re-executes itself.
os.environ.update(MALLOC_ENVIRONMENT)
os.environ.update({k: v for k, v in ENVIRONMENT["strict"].items() if v is not None})
os.environ.setdefault("RAY_AUTH_MODE", "token")  # read once, when the first test imports Ray

Settings = dict[str, Any]


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache directory for this test run only."""
    folder = tmp_path_factory.mktemp("cache")
    before = os.environ.get("GENRETUNE_CACHE")
    os.environ["GENRETUNE_CACHE"] = str(folder)
    yield folder
    os.environ.pop("GENRETUNE_CACHE")
    if before is not None:
        os.environ["GENRETUNE_CACHE"] = before


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten genres, three WAV clips each, 1.5 s."""
    folder = tmp_path_factory.mktemp("music") / "corpus"
    write_corpus(folder, clips=3, seconds=1.5, seed=5)
    return folder


@pytest.fixture(scope="session")
def store(corpus: Path, cache: Path) -> Store:
    return open_corpus(corpus)


@pytest.fixture
def tiny(store: Store) -> Callable[..., Settings]:
    """Return settings of a trial that takes a fraction of a second; keywords replace keys."""

    def settings(**changes: Any) -> Settings:
        given: Settings = {
            "seed": 7,
            "epochs": 4,
            "batch_size": 16,
            "data": {
                "samples": store.samples_digest,
                "split": {"folds": 3},
                "window": {"seconds": 0.5},
            },
            "feature": {"name": "melspec", "n_mels": 16, "n_fft": 512},
            "model": {
                "name": "cnn",
                "filters": [4, 6, 8],
                "reduction": 2,
                "dropout": 0.25,
                "pool": "gap",
            },
        }
        return given | changes

    return settings


@pytest.fixture
def genretune(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the command line in a subprocess, in the test's folder."""

    def run(*arguments: str | Path, timeout: float = 240) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "genretune.scripts.cli", *map(str, arguments)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def s3() -> Iterator[S3]:
    """A local S3 server with a bucket; its credentials are in the environment."""
    with pytest.MonkeyPatch.context() as patch, s3_server() as server:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        server.make_bucket()
        yield server
