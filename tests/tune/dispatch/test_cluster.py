"""The authentication mode that Ray is given before it is imported."""

import os
from pathlib import Path

import pytest

from genretune.tune.dispatch import cluster

NAMES = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")


@pytest.fixture(autouse=True)
def fresh_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An account without a token; returns its home folder."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in NAMES:
        monkeypatch.setenv(name, "")  # so that it is restored
        monkeypatch.delenv(name)
    return tmp_path


def chosen(address: str) -> list[str | None]:
    cluster._choose_authentication(address)
    return [os.environ.get(name) for name in NAMES[:2]]


def test_without_a_token_the_mode_of_a_cluster_is_left_to_it() -> None:
    assert chosen("host:6379") == [None, None]
    assert chosen("auto") == [None, None]


def test_a_local_ray_gets_a_token_of_its_own(fresh_account: Path) -> None:
    mode, token = chosen("local")
    assert mode == "token" and token is not None and len(token) == 64
    assert not list(fresh_account.iterdir())


def test_a_token_at_hand_is_used(fresh_account: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = fresh_account / ".ray" / "auth_token"
    file.parent.mkdir()
    file.write_text("secret")
    assert chosen("host:6379") == ["token", None]
    monkeypatch.setenv("RAY_AUTH_MODE", "")
    monkeypatch.delenv("RAY_AUTH_MODE")
    assert chosen("local") == ["token", None], "Ray reads it from the file"


def test_a_token_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "secret")
    assert chosen("host:6379") == ["token", "secret"]


def test_the_mode_that_the_user_set_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "secret")
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    assert chosen("host:6379") == ["disabled", "secret"]
