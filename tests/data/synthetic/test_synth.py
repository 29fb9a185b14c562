"""A corpus from a seed."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import soundfile

from genretune.data.clip_names import GTZAN_GENRES
from genretune.data.errors import DataError
from genretune.data.scan import scan_corpus
from genretune.data.synthetic.synth import render, write_corpus


def digests(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def test_the_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    for name, seed in (("one", 3), ("two", 3), ("other", 4)):
        write_corpus(tmp_path / name, clips=2, seconds=0.5, seed=seed)
    assert digests(tmp_path / "one") == digests(tmp_path / "two")
    assert not set(digests(tmp_path / "one").values()) & set(digests(tmp_path / "other").values())


def test_layout_and_format_of_gtzan(tmp_path: Path) -> None:
    paths = write_corpus(tmp_path / "x", clips=2, seconds=0.5)
    assert paths == [
        tmp_path / "x" / genre / f"{genre}.{n:05d}.wav" for genre in GTZAN_GENRES for n in range(2)
    ]
    info = soundfile.info(paths[0])
    assert (info.samplerate, info.channels, info.subtype) == (22050, 1, "PCM_16")
    assert info.frames == 11025


def test_more_clips_leave_the_first_as_they_are(tmp_path: Path) -> None:
    write_corpus(tmp_path / "few", clips=1, seconds=0.5)
    write_corpus(tmp_path / "more", clips=2, seconds=0.5)
    assert digests(tmp_path / "few").items() <= digests(tmp_path / "more").items()


def test_global_random_state_is_neither_read_nor_changed() -> None:
    before = np.random.get_state()[1].tolist()
    first = render("rock", 0, seconds=0.5, seed=0)
    np.random.RandomState(1).randint(5)
    assert np.array_equal(render("rock", 0, seconds=0.5, seed=0), first)
    assert np.random.get_state()[1].tolist() == before


@pytest.mark.parametrize(("clips", "seconds"), [(6, 4.0), (4, 1.0)])
def test_a_clean_corpus_gives_no_finding(tmp_path: Path, clips: int, seconds: float) -> None:
    write_corpus(tmp_path / "x", clips=clips, seconds=seconds)
    report = scan_corpus(tmp_path / "x", cache=tmp_path / "cache")
    assert (report.clips, report.faults, report.duplicates) == (clips * 10, (), ())


@pytest.mark.parametrize("how", [{"clips": 0}, {"clips": 1, "seconds": 0.0}])
def test_numbers_out_of_range(tmp_path: Path, how: dict[str, float]) -> None:
    with pytest.raises(DataError, match="got 0"):
        write_corpus(tmp_path / "x", **how)  # type: ignore[arg-type]
    assert not (tmp_path / "x").exists()


def test_a_folder_that_is_not_empty_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").touch()
    with pytest.raises(DataError, match="a new or empty folder"):
        write_corpus(tmp_path, clips=1)
