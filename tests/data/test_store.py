"""Packed corpora: found by their files, safe for many processes, repaired when damaged."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from genretune.data import store as module
from genretune.data.arrow_file import DamagedStore, Store
from genretune.data.errors import DataError, SamplesChanged
from genretune.data.store import find_store, open_corpus, require_samples


@pytest.fixture
def music(audio) -> Path:
    """Two classes of two clips."""
    paths = [
        audio(f"music/{c}/{c}.{n:05d}.wav", seed=10 * ord(c) + n) for c in "ab" for n in range(2)
    ]
    return paths[0].parents[1]


def packs(cache: Path) -> list[Path]:
    return sorted(cache.glob("*.arrow"), key=lambda p: p.name.startswith("heard"))[:-1]


def test_packed_samples_equal_those_of_the_files(music: Path, tmp_path: Path) -> None:
    store = open_corpus(music, cache=tmp_path / "cache")
    assert store.names == ("a.00000", "a.00001", "b.00000", "b.00001")
    assert (store.classes, store.labels) == (("a", "b"), (0, 0, 1, 1))
    assert store.lengths == (22050,) * 4 and store.faults == (None,) * 4
    for i, file in enumerate(store.files):
        assert np.array_equal(store.samples(i), soundfile.read(music / file, dtype="int16")[0])
    assert not store.samples(0).flags.writeable and not store.samples(0).flags.owndata


def test_the_second_time_nothing_is_decoded(music: Path, tmp_path: Path, monkeypatch) -> None:
    first = open_corpus(music, cache=tmp_path / "cache")
    monkeypatch.setattr(module, "analyze_clips", None)
    again = open_corpus(music, cache=tmp_path / "cache")
    assert again.samples_digest == first.samples_digest
    music.rename(tmp_path / "moved")
    assert open_corpus(tmp_path / "moved", cache=tmp_path / "cache").path == first.path


def test_digests_distinguish_files_classes_and_rates(music: Path, audio, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = open_corpus(music, cache=cache)
    assert open_corpus(music, sample_rate=11025, cache=cache).samples_digest != first.samples_digest
    flac = [audio(f"flac/{c}/{c}.{n}.flac", seed=10 * ord(c) + n) for c in "ab" for n in range(2)]
    same = open_corpus(flac[0].parents[1], cache=cache)
    assert same.samples_digest == first.samples_digest
    assert same.source_digest != first.source_digest
    (music / "b").rename(music / "c")
    assert open_corpus(music, cache=cache).samples_digest != first.samples_digest


def test_an_added_clip_makes_a_new_corpus(music: Path, audio, tmp_path: Path) -> None:
    first = open_corpus(music, cache=tmp_path / "cache")
    audio("music/a/a.00002.wav", seed=9)
    more = open_corpus(music, cache=tmp_path / "cache")
    assert more.samples_digest != first.samples_digest
    assert find_store(first.samples_digest, tmp_path / "cache") is not None


def test_a_store_is_found_by_its_samples_and_pickles_as_its_path(music, tmp_path: Path) -> None:
    store = open_corpus(music, cache=tmp_path / "cache")
    found = find_store(store.samples_digest, tmp_path / "cache")
    assert found is not None and found.names == store.names
    assert find_store("0" * 64, tmp_path / "cache") is None
    again = pickle.loads(pickle.dumps(store))
    assert np.array_equal(again.samples(3), store.samples(3))
    assert len(pickle.dumps(store)) < 1000


def test_the_cache_folder_is_named_by_the_environment(music, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("GENRETUNE_CACHE", str(tmp_path / "named"))
    assert open_corpus(music).path.parent == tmp_path / "named"


def flip(path: Path, at: float) -> None:
    data = bytearray(path.read_bytes())
    data[int(len(data) * at)] ^= 0xFF
    path.write_bytes(data)


@pytest.mark.parametrize("at", [0.0, 0.3, 0.5, 0.8, 0.999, "truncated", "empty"])
def test_a_damaged_pack_is_packed_again(music: Path, tmp_path: Path, at) -> None:
    cache = tmp_path / "cache"
    first = open_corpus(music, cache=cache)
    wanted = [first.samples(i).copy() for i in range(4)]
    if isinstance(at, float):
        flip(first.path, at)
    else:
        whole = first.path.read_bytes()
        first.path.unlink()
        first.path.write_bytes(whole[: len(whole) // 2] if at == "truncated" else b"")
    assert find_store(first.samples_digest, cache) is None
    again = open_corpus(music, cache=cache)
    assert again.samples_digest == first.samples_digest
    assert all(np.array_equal(again.samples(i), wanted[i]) for i in range(4))
    assert len(packs(cache)) == 1


def test_a_store_that_was_only_touched_is_verified_and_kept(music, tmp_path: Path) -> None:
    store = open_corpus(music, cache=tmp_path / "cache")
    os.utime(store.path, ns=(0, 0))
    inode = store.path.stat().st_ino
    assert open_corpus(music, cache=tmp_path / "cache").path.stat().st_ino == inode


def test_other_samples_from_the_same_files_are_an_error(music, tmp_path: Path, monkeypatch) -> None:
    cache = tmp_path / "cache"
    first = open_corpus(music, cache=cache)
    flip(first.path, 0.5)
    analyze = module.analyze_clips

    def other(corpus, rate, progress):
        from dataclasses import replace

        for analysis in analyze(corpus, rate, progress):
            yield replace(analysis, samples=analysis.samples + np.int16(1), sha256="0" * 64)

    monkeypatch.setattr(module, "analyze_clips", other)
    monkeypatch.setattr(Store, "verify", lambda self: None)
    first.path.write_bytes(b"damaged")
    with pytest.raises(
        SamplesChanged, match="the same files must give the samples .* decoded by lib"
    ) as e:
        open_corpus(music, cache=cache)
    assert e.value.exit_code == 5 and "\n" not in str(e.value)


def test_a_record_is_compared_by_samples_then_by_source(music, tmp_path: Path) -> None:
    store = open_corpus(music, cache=tmp_path / "cache")
    require_samples(store, store.samples_digest)
    with pytest.raises(SamplesChanged, match="from the same files, decoded by libsndfile"):
        require_samples(store, "0" * 64, store.source_digest)
    with pytest.raises(SamplesChanged, match="other files, classes or groups"):
        require_samples(store, "0" * 64, "1" * 64)


def test_processes_that_pack_at_once_leave_one_store(music: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    code = (
        "import sys; from pathlib import Path; from genretune.data.store import open_corpus; "
        "s = open_corpus(Path(sys.argv[1]), cache=Path(sys.argv[2])); "
        "print(s.samples_digest, s.path.stat().st_ino)"
    )
    command = [sys.executable, "-c", code, str(music), str(cache)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    outputs = [process.communicate(timeout=120)[0] for process in running]
    assert len(set(outputs)) == 1 and len(outputs[0].split()) == 2
    assert len(packs(cache)) == 1 and not list(cache.glob("*.tmp"))


def test_temporary_files_of_a_killed_process_are_removed(music: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = open_corpus(music, cache=cache)
    abandoned = cache / f"{first.path.name.rsplit('-', 1)[0]}.99999.tmp"
    abandoned.write_bytes(b"half")
    first.path.unlink()
    open_corpus(music, cache=cache)
    assert not abandoned.exists()


def test_an_interrupted_pack_leaves_nothing(music: Path, tmp_path: Path, monkeypatch) -> None:
    def interrupted(*_):
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(module, "analyze_clips", interrupted)
    with pytest.raises(KeyboardInterrupt):
        open_corpus(music, cache=tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("*.arrow")) + list((tmp_path / "cache").glob("*.tmp"))


def test_an_unreadable_clip_is_packed_with_its_fault(music: Path, tmp_path: Path) -> None:
    (music / "a/a.00001.wav").write_text("no audio")
    store = open_corpus(music, cache=tmp_path / "cache")
    assert (store.lengths[1], store.faults[1]) == (0, "not audio")
    assert store.samples(1).shape == (0,)


def test_a_cache_that_cannot_be_made(music: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="GENRETUNE_CACHE: must be a writable folder"):
        open_corpus(music, cache=tmp_path / "file")


def test_another_arrow_file_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "x.arrow").write_bytes(b"ARROW1\0\0" + bytes(100))
    with pytest.raises(DamagedStore):
        Store(tmp_path / "x.arrow")
