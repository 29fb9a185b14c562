"""Clips are analysed once, in order, and the analyses cached."""

import os
from pathlib import Path

import numpy as np
import pytest

from genretune.data import clip_analysis
from genretune.data.clip_analysis import (
    AnalysisCollector,
    analyze_clips,
    load_analyses,
    save_analyses,
)
from genretune.data.corpus import list_corpus


@pytest.fixture
def music(audio, tmp_path: Path) -> Path:
    for c in "ab":
        for n in range(5):
            audio(f"music/{c}/{n}.wav", seed=10 * ord(c) + n)
    (tmp_path / "music/a/bad.wav").write_text("no audio")
    return tmp_path / "music"


def test_clips_come_in_order_with_progress(music: Path) -> None:
    corpus, calls = list_corpus(music), []
    analyses = list(analyze_clips(corpus, 22050, lambda done, total: calls.append((done, total))))
    assert [clip.name for clip in analyses] == [clip.name for clip in corpus.clips]
    assert calls == [(n, 11) for n in range(1, 12)]
    assert [clip.fault for clip in analyses].count("not audio") == 1


def test_analyses_are_cached_without_samples(music: Path, tmp_path: Path) -> None:
    collector = AnalysisCollector()
    analyses = list(collector.collect(analyze_clips(list_corpus(music), 22050)))
    save_analyses(tmp_path / "analyses.arrow", collector.analyses, "source")
    again = load_analyses(tmp_path / "analyses.arrow", "source")
    assert again is not None
    for one, other in zip(analyses, again, strict=True):
        assert len(other.samples) == 0
        assert np.array_equal(one.hashes, other.hashes)
        for name in ("name", "label", "sha256", "length", "rate", "fault", "notes", "attributes"):
            assert getattr(one, name) == getattr(other, name)


def test_damaged_and_outdated_analyses_are_not_loaded(
    music: Path, tmp_path: Path, monkeypatch
) -> None:
    collector = AnalysisCollector()
    list(collector.collect(analyze_clips(list_corpus(music), 22050)))
    path = tmp_path / "analyses.arrow"
    assert load_analyses(path, "source") is None
    save_analyses(path, collector.analyses, "source")
    assert load_analyses(path, "another") is None
    monkeypatch.setattr(clip_analysis, "decoder_versions", lambda: "libsndfile 9")
    assert load_analyses(path, "source") is None
    path.write_bytes(path.read_bytes()[:500])
    assert load_analyses(path, "source") is None


def test_damaged_mp3_files_print_nothing(
    audio, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data = bytearray(audio("music/a/x.mp3").read_bytes())
    audio("music/b/y.wav")
    for at in range(1000, len(data), 97):
        data[at] ^= 0x5A
    (tmp_path / "music/a/x.mp3").write_bytes(data)
    list(analyze_clips(list_corpus(tmp_path / "music"), 22050))
    os.write(2, b"still here")
    assert capfd.readouterr().err == "still here"
