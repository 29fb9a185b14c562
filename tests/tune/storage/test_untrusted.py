"""Untrusted files: only regular files, strict JSON and known schemas are read."""

import json
import os
from pathlib import Path

import pytest

from genretune.tune.errors import DamagedRecord
from genretune.tune.storage import untrusted
from genretune.tune.storage.untrusted import (
    check_schema,
    read_file,
    read_json_object,
    read_result,
    refuse_links,
)


def test_a_pipe_is_refused_without_waiting_for_a_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DamagedRecord, match="pipe: must be a regular file"):
        read_file(tmp_path / "pipe")


def test_a_file_larger_than_any_record_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(untrusted, "_MAX_BYTES", 3)
    path = tmp_path / "file"
    path.write_bytes(b"123")
    assert read_file(path) == b"123"
    path.write_bytes(b"1234")
    with pytest.raises(DamagedRecord, match="must be at most 1 GiB, got 4 bytes"):
        read_file(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "must be readable JSON"),
        ('{"a": NaN}', "got NaN, which is not JSON"),
        ('{"a": "\\ud800"}', "must be readable JSON"),
        ("[" * 100_000, "nested too deeply"),
        ("[1]", "must be a JSON object, got list"),
    ],
)
def test_anything_but_a_strict_json_object_is_refused(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(DamagedRecord, match=message):
        read_json_object(path)


def test_a_result_has_its_defaults_and_keeps_unknown_keys(tmp_path: Path) -> None:
    assert read_result(tmp_path) is None
    (tmp_path / "result.json").write_text(json.dumps({"status": "completed", "new": 1}))
    assert read_result(tmp_path) == {
        "status": "completed",
        "why": None,
        "classes": [],
        "segments": [],
        "history": [],
        "new": 1,
    }


def test_the_first_invalid_key_is_named_and_its_value_shortened(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    with pytest.raises(DamagedRecord, match=r"result\.json: classes: .*, got 'xxxx.*\.\.\.$"):
        check_schema("result", {"classes": "x" * 999}, path)
    with pytest.raises(DamagedRecord, match=r"segments\.0\.environment\.machine_class: "):
        check_schema("result", {"segments": [{"environment": {}}]}, path)


def test_links_are_refused_at_any_depth(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    refuse_links(tmp_path)
    (folder / "link").symlink_to("/etc/passwd")
    with pytest.raises(DamagedRecord, match=r"a/b/link: symbolic links are not allowed"):
        refuse_links(tmp_path)
