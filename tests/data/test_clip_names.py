"""Canonical names do not depend on the mirror, and GTZAN is recognised by its contents."""

import pytest

from genretune.data.clip_names import (
    GTZAN_GENRES,
    canonical_name,
    canonical_names,
    gtzan_names,
    is_gtzan,
)


@pytest.mark.parametrize(
    ("file", "label", "name"),
    [
        ("jazz/jazz.00054.wav", "jazz", "jazz.00054"),
        ("jazz/jazz.00054.au", "jazz", "jazz.00054"),
        ("jazz/jazz.54.wav", "jazz", "jazz.00054"),
        ("jazz/jazz_0054.mp3", "jazz", "jazz.00054"),
        ("jazz/So What.mp3", "jazz", "jazz/So What"),
        ("jazz/miles/01.flac", "jazz", "jazz/miles/01"),
        ("jazz/rock.00001.wav", "jazz", "jazz/rock.00001"),
        ("jazz/jazz.123456.wav", "jazz", "jazz/jazz.123456"),
    ],
)
def test_canonical_name(file: str, label: str, name: str) -> None:
    assert canonical_name(file, label) == name


def test_files_that_would_share_a_name_keep_their_whole_path() -> None:
    files = ["a/x.wav", "a/x.mp3", "a/y.wav"]
    assert canonical_names(files, ["a"] * 3) == ("a/x.wav", "a/x.mp3", "a/y")


def test_composed_and_decomposed_spelling_are_one_name() -> None:
    assert canonical_name("a/e\u0301.wav", "a") == canonical_name("a/\u00e9.wav", "a")
    assert len(set(canonical_names(["a/e\u0301.wav", "a/\u00e9.wav"], ["a", "a"]))) == 2


def test_names_that_are_not_utf8_are_escaped() -> None:
    assert canonical_name("a/x\udcff.wav", "a") == "a/x\\xff"


def test_gtzan_is_recognised_with_clips_missing_but_not_when_small() -> None:
    names = gtzan_names()
    labels = [name.split(".")[0] for name in names]
    assert len(names) == 1000 and names == tuple(sorted(names))
    assert is_gtzan(names, labels)
    assert is_gtzan(names[3:], labels[3:])
    small = [i for i, name in enumerate(names) if int(name[-5:]) < 79]
    assert not is_gtzan([names[i] for i in small], [labels[i] for i in small])


def test_another_corpus_is_not_gtzan() -> None:
    names = gtzan_names()
    labels = [name.split(".")[0] for name in names]
    assert not is_gtzan((*names[:-1], "rock.00100"), labels)
    assert not is_gtzan(names, ["blues"] * 1000)
    assert not is_gtzan(names[100:], labels[100:])
    swapped = ["classical" if label == "blues" else label for label in labels]
    assert not is_gtzan(names, swapped)
    assert set(labels) == set(GTZAN_GENRES)
