"""What a header promises against what is there."""

import struct
from pathlib import Path

import pytest

from genretune.data.headers import broken_promise, is_regular


def wav(data: int, audio: int, *, riff: int = 0, after: bytes = b"") -> bytes:
    form = struct.pack("<HHIIHH", 1, 1, 22050, 44100, 2, 16)
    head = b"RIFF" + struct.pack("<I", riff) + b"WAVEfmt " + struct.pack("<I", 16) + form
    return head + b"data" + struct.pack("<I", data) + b"\1\2" * (audio // 2) + after


@pytest.fixture
def promise(tmp_path: Path):
    def read(data: bytes) -> tuple[str, str] | None:
        path = tmp_path / "x"
        path.write_bytes(data)
        return broken_promise(path)

    return read


def test_a_whole_wav_promises_what_it_has(promise) -> None:
    assert promise(wav(1000, 1000)) is None
    assert promise(wav(1000, 1000, after=b"LIST" + struct.pack("<I", 80) + b"x" * 80)) is None
    assert promise(wav(1000, 1000, after=b"TAG" + b"\0" * 125)) is None


def test_four_gigabytes_in_a_kilobyte(promise) -> None:
    fault, detail = promise(wav(4_000_000_000, 1000))
    assert fault == "truncated"
    assert detail == "the header promises 4000000000 bytes of audio, 1000 are there"


def test_a_pipe_promises_nothing_but_only_when_both_lengths_say_so(promise) -> None:
    assert promise(wav(0xFFFFFFFF, 1000, riff=0xFFFFFFFF)) is None
    assert promise(wav(0xFFFFFFFF, 1000))[0] == "truncated"


def test_less_promised_than_there_is(promise) -> None:
    fault, detail = promise(wav(100, 5000))
    assert fault == "wrong length" and "4900 more follow" in detail


def test_au(promise) -> None:
    head = b".snd" + struct.pack(">IIIII", 24, 1000, 3, 22050, 1)
    assert promise(head + bytes(1000)) is None
    assert promise(head + bytes(500))[0] == "truncated"
    unknown = b".snd" + struct.pack(">IIIII", 24, 0xFFFFFFFF, 3, 22050, 1)
    assert promise(unknown + bytes(500)) is None


@pytest.mark.parametrize(
    "head", [b"", b"RIFF", b"RIFF1234WAVE", b".snd", b"OggS", b"ID3", b"\xff\xfb"]
)
def test_headers_that_end_early_do_not_raise(promise, head: bytes) -> None:
    got = promise(head)
    assert got is None or got[0] == "truncated"


def test_what_a_path_is(tmp_path: Path) -> None:
    assert is_regular(tmp_path) == "a folder"
    (tmp_path / "x").touch()
    assert is_regular(tmp_path / "x") is None
