"""Decoding: exact where it should be, and every fault under its name."""

import os
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from genretune.data.audio import decode

Write = Callable[..., Path]


@pytest.mark.parametrize("form", ["wav", "flac", "au"])
def test_sixteen_bits_at_the_rate_come_through_unchanged(audio: Write, noise, form: str) -> None:
    got = decode(audio(f"x.{form}", subtype="PCM_16"), 22050)
    assert got.fault is None and got.notes == ()
    assert np.array_equal(got.samples, noise(0))
    assert (got.rate, got.channels, got.seconds) == (22050, 1, 1.0)


@pytest.mark.parametrize("form", ["ogg", "mp3"])
def test_lossy_files_are_decoded(audio: Write, form: str) -> None:
    got = decode(audio(f"x.{form}"), 22050)
    assert got.fault is None and abs(len(got.samples) - 22050) < 2500


def test_channels_are_averaged(audio: Write, noise) -> None:
    both = np.stack([noise(0), noise(1)], axis=1)
    got = decode(audio("x.wav", both, subtype="PCM_16"), 22050)
    mean = (both.astype(np.float64) / 32768).mean(axis=1)
    assert np.array_equal(got.samples, np.rint(mean * 32768).astype(np.int16))
    assert got.channels == 2


def test_other_rates_are_resampled(audio: Write) -> None:
    t = np.arange(44100) / 44100
    path = audio("x.wav", (0.5 * np.sin(2 * np.pi * 440 * t)), rate=44100)
    got = decode(path, 22050)
    wanted = 0.5 * 32768 * np.sin(2 * np.pi * 440 * np.arange(22050) / 22050)
    assert len(got.samples) == 22050
    assert np.abs(got.samples[200:-200] - wanted[200:-200]).max() < 40


def test_resampling_does_not_depend_on_where_blocks_end(audio: Write, noise) -> None:
    path = audio("x.wav", noise(0, 200_000), rate=32000)
    assert np.array_equal(decode(path, 22050).samples, decode(path, 22050).samples)
    assert abs(len(decode(path, 22050).samples) - 200_000 * 22050 / 32000) < 2


def cut(path: Path, share: float = 0.5) -> Path:
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    return path


@pytest.mark.parametrize("form", ["wav", "flac", "au", "ogg", "mp3"])
def test_truncated(audio: Write, form: str) -> None:
    got = decode(cut(audio(f"x.{form}")), 22050)
    assert (got.fault, len(got.samples)) == ("truncated", 0)
    assert got.detail


def test_empty_silent_and_not_audio(audio: Write, tmp_path: Path) -> None:
    (tmp_path / "none.wav").touch()
    (tmp_path / "text.wav").write_text("hello " * 100)
    assert decode(tmp_path / "none.wav", 22050).fault == "empty"
    assert decode(audio("zero.wav", np.zeros(0, np.int16)), 22050).fault == "empty"
    assert decode(audio("mute.wav", np.zeros(22050, np.int16)), 22050).fault == "silent"
    assert decode(tmp_path / "text.wav", 22050).fault == "not audio"


def test_channels_that_cancel_are_silent(audio: Write, noise) -> None:
    got = decode(audio("x.wav", np.stack([noise(0), -noise(0)], axis=1)), 22050)
    assert (got.fault, got.detail) == ("silent", "the channels cancel each other")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite(audio: Write, noise, value: float) -> None:
    samples = noise(0).astype(np.float32) / 32768
    samples[-1] = value
    got = decode(audio("x.wav", samples, subtype="FLOAT"), 22050)
    assert (got.fault, len(got.samples)) == ("NaN", 0)


def test_a_clipped_clip_is_noted_and_used(audio: Write, noise) -> None:
    loud = np.clip(noise(0).astype(np.int32) * 20, -32768, 32767).astype(np.int16)
    got = decode(audio("x.wav", loud), 22050)
    assert got.fault is None and len(got.samples) == 22050
    assert [fault for fault, _ in got.notes] == ["clipped"]
    normal = noise(0).copy()
    normal[100] = 32767
    assert decode(audio("y.wav", normal), 22050).notes == ()


def test_paths_that_are_not_files(tmp_path: Path) -> None:
    (tmp_path / "x.wav").mkdir()
    (tmp_path / "y.wav").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "z.wav")
    reasons = [decode(tmp_path / name, 22050).detail for name in ("x.wav", "y.wav", "z.wav")]
    assert reasons == ["a folder", "a link to nothing", "not a regular file"]
    assert decode(tmp_path / "gone.wav", 22050).detail == "no such file"


def test_a_name_that_is_not_utf8(audio: Write, noise) -> None:
    path = audio("x.wav")
    odd = Path(os.fsdecode(os.fsencode(path.parent) + b"/\xff.wav"))
    path.rename(odd)
    assert np.array_equal(decode(odd, 22050).samples, noise(0))


def test_absurd_rates_are_refused_before_they_cost_memory(audio: Write) -> None:
    path = audio("x.wav")
    data = bytearray(path.read_bytes())
    for rate in (1, 4_000_000_000):
        data[24:28] = struct.pack("<I", rate)
        path.write_bytes(data)
        got = decode(path, 22050)
        assert got.fault == "not audio" and len(got.samples) == 0
