"""Which files of a corpus are clips."""

import os
from pathlib import Path

import pytest

from genretune.data.corpus import list_corpus
from genretune.data.errors import DataError


def touch(root: Path, *files: str) -> Path:
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_bytes(b"x")
    return root


@pytest.mark.parametrize(
    "files",
    [
        ["blues/blues.00000.wav", "jazz/jazz.00054.wav"],
        ["genres/blues/blues.00000.au", "genres/jazz/jazz.00054.au"],
        [
            "Data/genres_original/blues/blues.00000.wav",
            "Data/genres_original/jazz/jazz.00054.wav",
            "Data/images_original/jazz/jazz00054.png",
            "Data/features_30_sec.csv",
        ],
        ["genres_original/blues/blues.00000.wav", "genres_original/jazz/jazz.00054.wav"],
    ],
)
def test_mirrors_of_gtzan_give_the_same_names(tmp_path: Path, files: list[str]) -> None:
    corpus = list_corpus(touch(tmp_path, *files))
    assert [clip.name for clip in corpus.clips] == ["blues.00000", "jazz.00054"]
    assert corpus.classes == ("blues", "jazz")


def test_hidden_and_other_files_are_not_clips_and_stray_audio_is_noted(tmp_path: Path) -> None:
    touch(tmp_path, "a/x.wav", "a/._x.wav", "a/.hidden/y.wav", "a/notes.txt", "b/x.MP3", "z.wav")
    corpus = list_corpus(tmp_path)
    assert [clip.file for clip in corpus.clips] == ["a/x.wav", "b/x.MP3"]
    assert corpus.notes == ("1 audio files lie beside the class folders: left out",)


def test_folders_and_links_named_like_audio_are_listed(tmp_path: Path) -> None:
    touch(tmp_path, "a/ok.wav", "b/new\nline.wav", "b/in/deep/x.ogg")
    (tmp_path / "a/folder.wav").mkdir()
    (tmp_path / "a/gone.flac").symlink_to(tmp_path / "nowhere")
    names = [clip.name for clip in list_corpus(tmp_path).clips]
    assert names == ["a/folder", "a/gone", "a/ok", "b/in/deep/x", "b/new\nline"]


def test_order_does_not_depend_on_the_file_system(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{c}/{n}.wav" for c in "ba" for n in (10, 9, 1)))
    names = [clip.name for clip in list_corpus(tmp_path).clips]
    assert names == sorted(names)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: p / "nowhere", "no such path"),
        (lambda p: p, "without any audio file"),
        (lambda p: touch(p, "a.wav") / "a.wav", "got the file"),
        (lambda p: touch(p, "a/x.wav"), "at least two classes"),
    ],
)
def test_a_path_without_a_corpus_is_rejected_in_one_line(
    tmp_path: Path, make, message: str
) -> None:
    with pytest.raises(DataError, match=message) as error:
        list_corpus(make(tmp_path))
    assert "\n" not in str(error.value)


def test_a_link_to_a_folder_of_music_is_a_class(tmp_path: Path) -> None:
    touch(tmp_path / "elsewhere", "x.wav")
    touch(tmp_path / "music", "a/y.wav")
    os.symlink(tmp_path / "elsewhere", tmp_path / "music" / "b")
    assert list_corpus(tmp_path / "music").classes == ("a", "b")


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read everything")
def test_an_unreadable_class_folder_is_an_error(tmp_path: Path) -> None:
    touch(tmp_path, "a/x.wav", "b/y.wav")
    (tmp_path / "b").chmod(0)
    try:
        with pytest.raises(DataError, match="must be a readable folder"):
            list_corpus(tmp_path)
    finally:
        (tmp_path / "b").chmod(0o755)
