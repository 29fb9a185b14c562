"""Copies are found, and other clips are not taken for copies."""

import io

import numpy as np
import pytest
import soundfile

from genretune.data.clip_names import GTZAN_GENRES
from genretune.data.duplicates.detection import Duplicates, NearDuplicate, find_duplicates
from genretune.data.duplicates.near_duplicate_hash import near_duplicate_hash
from genretune.data.synthetic.synth import render

RATE = 22050


@pytest.fixture(scope="module")
def clips() -> dict[str, np.ndarray]:
    """Forty clips of music-like sound, 6 s."""
    return {f"{g}.{n}": render(g, n, seconds=6.0, seed=1) for g in GTZAN_GENRES for n in range(4)}


def duplicates_of(clips: dict[str, np.ndarray]) -> Duplicates:
    digests = [samples.tobytes().hex() for samples in clips.values()]
    hashes = [near_duplicate_hash(samples, RATE) for samples in clips.values()]
    return find_duplicates(list(clips), digests, hashes)


def pairs(duplicates: Duplicates) -> set[frozenset[str]]:
    return {frozenset((pair.first, pair.second)) for pair in duplicates.near}


def louder(samples: np.ndarray, gain: float) -> np.ndarray:
    return np.clip(np.rint(samples * gain), -32768, 32767).astype(np.int16)


def test_clips_of_one_genre_are_no_duplicates(clips) -> None:
    assert not duplicates_of(clips)


def test_recall_and_precision_on_copies(clips) -> None:
    """All of 40 copies at another gain, offset or both, and no other pair are found."""
    random = np.random.RandomState(0)
    with_copies = dict(clips)
    for i, (name, samples) in enumerate(clips.items()):
        gain = 10 ** (random.uniform(-20, 3) / 20)
        cut = int(random.randint(1, 2 * RATE))
        moved = np.concatenate([samples[cut:], render("pop", 99 + i, seconds=cut / RATE, seed=2)])
        kinds = [louder(samples, gain), moved, louder(moved, gain)]
        with_copies[f"copy of {name}"] = kinds[i % 3]
    assert pairs(duplicates_of(with_copies)) == {
        frozenset((name, f"copy of {name}")) for name in clips
    }


def test_an_excerpt_and_a_lossy_copy(clips) -> None:
    name = "jazz.0"
    lossy = io.BytesIO()
    soundfile.write(lossy, clips[name], RATE, format="MP3")
    decoded, _ = soundfile.read(io.BytesIO(lossy.getvalue()), dtype="float32")
    more = {"excerpt": clips[name][RATE : RATE * 5], "mp3": louder(decoded, 32768.0)}
    assert pairs(duplicates_of(clips | more)) >= {
        frozenset((name, "excerpt")),
        frozenset((name, "mp3")),
    }


def test_exact_copies_form_groups_and_near_pairs_name_their_first(clips) -> None:
    one = clips["rock.0"]
    more = {"x": one, "y": one, "z": louder(one[RATE:], 0.5)}
    duplicates = duplicates_of(clips | more)
    assert duplicates.exact == (("rock.0", "x", "y"),)
    assert [(p.first, p.second) for p in duplicates.near] == [("rock.0", "z")]
    assert abs(duplicates.near[0].offset - RATE / 22050 * 43.07) < 2


def test_stationary_and_silent_clips_do_not_match_each_other() -> None:
    t = np.arange(4 * RATE) / RATE
    sines = {f"{hz}": louder(np.sin(2 * np.pi * hz * t), 9000.0) for hz in (330, 440, 550, 700)}
    silence = {"s1": np.zeros(4 * RATE, np.int16), "s2": np.zeros(5 * RATE, np.int16)}
    noise = {
        f"n{i}": np.random.RandomState(i).randint(-9000, 9000, 4 * RATE).astype(np.int16)
        for i in range(4)
    }
    assert not duplicates_of(sines | silence | noise)


def test_very_short_clips_match_only_exactly() -> None:
    short = {"a": np.arange(3000, dtype=np.int16), "b": np.arange(2900, dtype=np.int16)}
    assert not duplicates_of(short)
    assert duplicates_of(short | {"c": short["a"]}).exact == (("a", "c"),)


def test_one_clip_of_each_recording_is_kept() -> None:
    duplicates = Duplicates(
        (("a", "b"),), (NearDuplicate("a", "c", 0.9, 0), NearDuplicate("c", "d", 0.9, 0))
    )
    assert duplicates.redundant(["a", "b", "c", "d", "e"]) == ("b", "c")
    assert duplicates.redundant(["b", "c", "d"]) == ("c",)
    assert duplicates.redundant(["c", "d", "e"]) == ("d",)


def test_pairs_across_two_sets() -> None:
    duplicates = Duplicates((("a", "b"),), (NearDuplicate("a", "c", 0.9, 0),))
    assert list(duplicates.pairs_across({"b", "x"}, {"c", "y"})) == [("b", "c")]
    assert list(duplicates.pairs_across({"a"}, {"b"})) == [("a", "b")]
    assert list(duplicates.pairs_across({"a", "b"}, {"x"})) == []


def test_no_clips_have_no_duplicates() -> None:
    assert not find_duplicates([], [], [])
