"""The length that a header declares against the bytes in the file."""

import struct
from pathlib import Path

import pytest

from genretune.data.headers import header_mismatch, unreadable_reason


def wav(data: int, audio: int, *, riff: int = 0, after: bytes = b"") -> bytes:
    form = struct.pack("<HHIIHH", 1, 1, 22050, 44100, 2, 16)
    head = b"RIFF" + struct.pack("<I", riff) + b"WAVEfmt " + struct.pack("<I", 16) + form
    return head + b"data" + struct.pack("<I", data) + b"\1\2" * (audio // 2) + after


@pytest.fixture
def mismatch(tmp_path: Path):
    def read(data: bytes) -> tuple[str, str] | None:
        path = tmp_path / "x"
        path.write_bytes(data)
        return header_mismatch(path)

    return read


def test_an_intact_wav(mismatch) -> None:
    assert mismatch(wav(1000, 1000)) is None
    assert mismatch(wav(1000, 1000, after=b"LIST" + struct.pack("<I", 80) + b"x" * 80)) is None
    assert mismatch(wav(1000, 1000, after=b"TAG" + b"\0" * 125)) is None


def test_four_gigabytes_declared_in_a_kilobyte(mismatch) -> None:
    fault, detail = mismatch(wav(4_000_000_000, 1000))
    assert fault == "truncated"
    assert detail == "the header promises 4000000000 bytes of audio, 1000 are there"


def test_a_wav_from_a_pipe_declares_no_length_if_both_fields_are_unknown(mismatch) -> None:
    assert mismatch(wav(0xFFFFFFFF, 1000, riff=0xFFFFFFFF)) is None
    assert mismatch(wav(0xFFFFFFFF, 1000))[0] == "truncated"


def test_more_audio_than_declared(mismatch) -> None:
    fault, detail = mismatch(wav(100, 5000))
    assert fault == "wrong length" and "4900 more follow" in detail


def test_au(mismatch) -> None:
    head = b".snd" + struct.pack(">IIIII", 24, 1000, 3, 22050, 1)
    assert mismatch(head + bytes(1000)) is None
    assert mismatch(head + bytes(500))[0] == "truncated"
    unknown = b".snd" + struct.pack(">IIIII", 24, 0xFFFFFFFF, 3, 22050, 1)
    assert mismatch(unknown + bytes(500)) is None


@pytest.mark.parametrize(
    "head", [b"", b"RIFF", b"RIFF1234WAVE", b".snd", b"OggS", b"ID3", b"\xff\xfb"]
)
def test_headers_that_end_early_do_not_raise(mismatch, head: bytes) -> None:
    got = mismatch(head)
    assert got is None or got[0] == "truncated"


def test_paths_that_are_not_readable_files(tmp_path: Path) -> None:
    assert unreadable_reason(tmp_path) == "a folder"
    (tmp_path / "x").touch()
    assert unreadable_reason(tmp_path / "x") is None
