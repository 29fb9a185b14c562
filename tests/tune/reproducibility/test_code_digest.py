"""The digest of the package's code: every edit of a Python file changes it, nothing else does."""

from pathlib import Path

import pytest

from genretune.tune.reproducibility import code_digest as module
from genretune.tune.reproducibility.code_digest import (
    NUMERICS_FOLDERS,
    PACKAGE_FOLDERS,
    code_digest,
    package_files,
)


def test_the_digest_covers_the_folders_that_bits_depend_on() -> None:
    names = set(package_files(NUMERICS_FOLDERS))
    assert {
        "genretune/tune/training/train.py",
        "genretune/models/cnn.py",
        "genretune/data/audio.py",
    } < names
    assert not any(name.startswith("genretune/scripts") for name in names)
    assert names < set(package_files(PACKAGE_FOLDERS))


def test_an_edit_of_a_python_file_changes_the_digest_and_another_file_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, note = tmp_path / "a.py", tmp_path / "note.json"
    source.write_text("x = 1\n")
    note.write_text("{}")
    files = {"genretune/tune/a.py": str(source), "genretune/tune/note.json": str(note)}
    monkeypatch.setattr(module, "package_files", lambda folders: files)
    before = code_digest()
    note.write_text("[]")
    assert code_digest() == before
    source.write_text("x = 2\n")
    assert code_digest() != before
    monkeypatch.setattr(module, "package_files", lambda folders: {})
    assert code_digest() is None
