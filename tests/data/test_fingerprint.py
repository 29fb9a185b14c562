"""The source digest follows names and bytes, and reads each file once."""

import os
from pathlib import Path

from genretune.data import fingerprint
from genretune.data.corpus import list_corpus
from genretune.data.fingerprint import source_digest


def corpus(root: Path, **contents: bytes) -> Path:
    for name, data in contents.items():
        path = root / name[0] / f"{name}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        os.utime(path, ns=(1, 1))
    return root


def test_the_digest_depends_on_names_and_bytes_but_not_on_the_folder(tmp_path: Path) -> None:
    one = source_digest(list_corpus(corpus(tmp_path / "1", a1=b"x", b1=b"y")))
    assert one == source_digest(list_corpus(corpus(tmp_path / "2", a1=b"x", b1=b"y")))
    assert one != source_digest(list_corpus(corpus(tmp_path / "3", a1=b"x", b1=b"z")))
    assert one != source_digest(list_corpus(corpus(tmp_path / "4", a1=b"x", b2=b"y")))


def test_files_are_read_again_only_when_they_changed(tmp_path: Path, monkeypatch) -> None:
    root, cache = corpus(tmp_path / "m", a1=b"x", b1=b"y"), tmp_path / "cache"
    monkeypatch.setattr(fingerprint, "RECENT_NS", 0)
    read: list[str] = []
    digest = fingerprint._sha256
    monkeypatch.setattr(fingerprint, "_sha256", lambda p: read.append(p.name) or digest(p))
    first = source_digest(list_corpus(root), cache)
    assert source_digest(list_corpus(root), cache) == first
    assert read == ["a1.wav", "b1.wav"]
    (root / "a/a1.wav").write_bytes(b"z")
    assert source_digest(list_corpus(root), cache) != first
    assert read == ["a1.wav", "b1.wav", "a1.wav"]


def test_the_digest_of_a_recent_file_is_not_cached(tmp_path: Path) -> None:
    root, cache = corpus(tmp_path / "m", a1=b"x", b1=b"y"), tmp_path / "cache"
    first = source_digest(list_corpus(root), cache)
    stat = (root / "a/a1.wav").stat()
    (root / "a/a1.wav").write_bytes(b"z")
    os.utime(root / "a/a1.wav", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert source_digest(list_corpus(root), cache) != first


def test_a_damaged_cache_is_ignored(tmp_path: Path) -> None:
    root, cache = corpus(tmp_path / "m", a1=b"x", b1=b"y"), tmp_path / "cache"
    first = source_digest(list_corpus(root), cache)
    for file in cache.glob("*"):
        file.write_text("{broken")
    assert source_digest(list_corpus(root), cache) == first


def test_pipes_and_dangling_links_have_a_digest_too(tmp_path: Path) -> None:
    root = corpus(tmp_path / "m", a1=b"x", b1=b"y")
    os.mkfifo(root / "a/pipe.wav")
    (root / "a/gone.wav").symlink_to("/nowhere")
    assert len(source_digest(list_corpus(root))) == 64
