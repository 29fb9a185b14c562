"""Text files are replaced as a whole or not at all."""

from pathlib import Path

import pytest

from genretune.data.atomic_text import write_text_atomically


def test_the_content_is_replaced_without_temporary_files(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    for text in ("one", "2"):
        write_text_atomically(path, text)
        assert path.read_text() == text
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_write_keeps_the_old_content(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "x.json"
    write_text_atomically(path, "old")

    def full(self: Path, target: Path) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="no space left"):
        write_text_atomically(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
