"""Reports: counts, faults that need the whole corpus, and cached analyses."""

from pathlib import Path

import numpy as np
import pytest

from genretune.data import scan as module
from genretune.data.scan import read_headers, scan_corpus
from genretune.data.store import open_corpus


@pytest.fixture
def music(audio, noise, tmp_path: Path) -> Path:
    for c in "ab":
        for n in range(3):
            audio(f"music/{c}/{n}.wav", seed=10 * ord(c) + n)
    return tmp_path / "music"


def test_counts(music: Path, audio, noise, tmp_path: Path) -> None:
    audio("music/b/3.flac", np.stack([noise(7), noise(8)], axis=1), rate=44100)
    report = scan_corpus(music, cache=tmp_path / "cache").as_json()
    assert report["clips"] == 7 and report["labels"] == {"a": 3, "b": 4}
    assert report["hours"] == 6.5 / 3600
    assert report["sample_rates"] == {"22050": 6, "44100": 1}
    assert report["channels"] == {"1": 6, "2": 1}
    assert report["seconds"] == {"shortest": 0.5, "median": 1.0, "longest": 1.0}


def test_a_clip_far_from_the_usual_length(music: Path, audio, noise, tmp_path: Path) -> None:
    audio("music/a/long.wav", noise(50, 40_000))
    audio("music/a/nearly.wav", noise(51, 21_500))
    faults = scan_corpus(music, cache=tmp_path / "cache").faults
    assert [(f.file, f.fault) for f in faults] == [("a/long.wav", "wrong length")]
    assert faults[0].detail == "1.81 s where 1.00 s is usual"


def test_a_corpus_of_many_lengths_has_no_wrong_length(audio, noise, tmp_path: Path) -> None:
    for n in range(8):
        audio(f"songs/{'ab'[n % 2]}/{n}.wav", noise(n, 10_000 + 5_000 * n))
    assert scan_corpus(tmp_path / "songs", cache=tmp_path / "cache").faults == ()


def test_long_clips_are_noted(music: Path, audio, noise, tmp_path: Path) -> None:
    audio("music/a/0.wav", noise(0, 8000 * 40), rate=8000)
    notes = scan_corpus(music, cache=tmp_path / "cache").notes
    assert len(notes) == 1 and "clip_seconds: null" in notes[0]


def test_a_second_scan_and_one_after_packing_decode_nothing(
    music: Path, tmp_path: Path, monkeypatch
) -> None:
    first = scan_corpus(music, cache=tmp_path / "one")
    open_corpus(music, cache=tmp_path / "two")
    monkeypatch.setattr(module, "analyze_clips", None)
    assert scan_corpus(music, cache=tmp_path / "one") == first
    assert scan_corpus(music, cache=tmp_path / "two") == first


def test_a_changed_file_is_decoded_again(music: Path, audio, tmp_path: Path) -> None:
    first = scan_corpus(music, cache=tmp_path / "cache")
    audio("music/a/0.wav", np.zeros(22050, np.int16))
    again = scan_corpus(music, cache=tmp_path / "cache")
    assert again.fingerprint != first.fingerprint
    assert [f.fault for f in again.faults] == ["silent"]


def test_two_silent_clips_are_faults_and_no_duplicates(music: Path, audio, tmp_path: Path) -> None:
    for name in "xy":
        audio(f"music/a/{name}.wav", np.zeros(22050, np.int16))
    report = scan_corpus(music, cache=tmp_path / "cache")
    assert len(report.faults) == 2 and report.duplicates == ()


def test_headers_alone(music: Path, tmp_path: Path) -> None:
    (music / "a/bad.wav").write_text("no audio")
    report = read_headers(music)
    assert (report.clips, report.sample_rates, report.fingerprint) == (7, {"22050": 6}, "")
    assert [(f.file, f.fault) for f in report.faults] == [("a/bad.wav", "not audio")]
    assert report.hours == 6 / 3600
