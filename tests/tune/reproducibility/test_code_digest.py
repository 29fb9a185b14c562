"""The digest of the package's code: any edit changes it, nothing else does."""

from pathlib import Path

import pytest

from genretune.tune.reproducibility import code_digest as own_code
from genretune.tune.reproducibility.code_digest import FOLDERS, MATTER, code_digest, package_files


def test_what_bits_depend_on_is_in_it() -> None:
    names = set(package_files(MATTER))
    assert {
        "genretune/tune/training/train.py",
        "genretune/models/cnn.py",
        "genretune/data/audio.py",
    } < names
    assert not any(name.startswith("genretune/scripts") for name in names)
    assert names < set(package_files(FOLDERS))


def test_an_edit_changes_it_and_a_note_beside_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, note = tmp_path / "a.py", tmp_path / "note.json"
    source.write_text("x = 1\n")
    note.write_text("{}")
    files = {"genretune/tune/a.py": str(source), "genretune/tune/note.json": str(note)}
    monkeypatch.setattr(own_code, "package_files", lambda folders: files)
    before = code_digest()
    note.write_text("[]")
    assert code_digest() == before
    source.write_text("x = 2\n")
    assert code_digest() != before
    monkeypatch.setattr(own_code, "package_files", lambda folders: {})
    assert code_digest() is None
