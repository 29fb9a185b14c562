"""Comparing the audio length that a file's header declares with the bytes in the file.

libsndfile silently shortens the declared length to what is there, so a truncated file would look
whole. The declared length is therefore read here, with every read bounded by the file's size.
Decoding itself is left to libsndfile.
"""

import os
import struct
from pathlib import Path
from typing import BinaryIO

_UNKNOWN = 0xFFFFFFFF
"""Length that a writer puts into a header when it cannot know the real one."""

_TAIL = 1 << 16
"""Bytes at the end of an Ogg file that are searched for the last page (one page is < 64 KiB)."""


def header_mismatch(path: Path) -> tuple[str, str] | None:
    """Return (fault, detail) if the header declares another length than the file has, else None.

    The fault is ``truncated`` (more is declared than present) or ``wrong length`` (less is
    declared, and the rest is not a known chunk). A header too short to declare a length gives
    None.

    Raises:
        OSError: the file cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        try:
            return _mismatch(file, size)
        except (struct.error, IndexError):
            return None


def _mismatch(file: BinaryIO, size: int) -> tuple[str, str] | None:
    head = file.read(12)
    if head[:4] in (b"RIFF", b"RIFX") and head[8:12] == b"WAVE":
        return _wav(file, size, "<" if head[:4] == b"RIFF" else ">")
    if head[:4] == b".snd":
        return _au(file, size)
    if head[:4] == b"OggS":
        return _ogg(file, size)
    if head[:3] == b"ID3" or head[:2] in (b"\xff\xfb", b"\xff\xfa", b"\xff\xf3", b"\xff\xf2"):
        return _mp3(file, size)
    return None


def _wav(file: BinaryIO, size: int, byte_order: str) -> tuple[str, str] | None:
    """Walk the chunks up to ``data``.

    A writer to a pipe sets both lengths to 0xFFFFFFFF; such a header declares nothing.
    """
    file.seek(4)
    (riff_length,) = struct.unpack(byte_order + "I", file.read(4))
    at = 12
    for _ in range(1000):  # a file full of empty chunks must not take forever
        file.seek(at)
        chunk = file.read(8)
        if len(chunk) < 8:
            return None
        kind, (length,) = chunk[:4], struct.unpack(byte_order + "I", chunk[4:])
        # Chunks are padded to an even length; the padding byte is not counted in ``length``.
        end = at + 8 + length + length % 2
        if kind == b"data":
            if length == _UNKNOWN and riff_length == _UNKNOWN:
                return None
            if at + 8 + length > size:
                return _truncated(length, size - at - 8)
            return _after_data(file, end, size, byte_order, length)
        at = end
    return None


def _after_data(
    file: BinaryIO, at: int, size: int, byte_order: str, declared: int
) -> tuple[str, str] | None:
    """Tell other chunks and tags after the data chunk from audio that the header omits."""
    while size - at >= 64:
        file.seek(at)
        chunk = file.read(8)
        if chunk[:3] in (b"TAG", b"ID3") or not any(chunk):
            return None
        if not all(32 <= byte < 127 for byte in chunk[:4]):
            return "wrong length", (
                f"the header promises {declared} bytes of audio, {size - at} more follow it"
            )
        (length,) = struct.unpack(byte_order + "I", chunk[4:])
        at += 8 + length + length % 2
    return None


def _au(file: BinaryIO, size: int) -> tuple[str, str] | None:
    file.seek(4)
    offset, length = struct.unpack(">II", file.read(8))
    if length == _UNKNOWN or offset + length <= size:
        return None
    return _truncated(length, size - offset)


def _ogg(file: BinaryIO, size: int) -> tuple[str, str] | None:
    """Look for the end-of-stream flag, which only the last page of a whole stream carries."""
    file.seek(max(0, size - _TAIL))
    tail = file.read(_TAIL)
    at = tail.rfind(b"OggS")
    if at < 0 or len(tail) < at + 27:
        return "truncated", "no last page of the stream"
    page = tail[at:]
    length = 27 + page[26] + sum(page[27 : 27 + page[26]])
    if not page[5] & 4 or length > len(page):
        return "truncated", "the stream ends without its last page"
    return None


def _mp3(file: BinaryIO, size: int) -> tuple[str, str] | None:
    """Read the byte count of a Xing or Info header; without one no length is declared."""
    file.seek(0)
    head = file.read(10)
    at = 0
    if head[:3] == b"ID3" and len(head) == 10:
        # The length of an ID3v2 tag is "synchsafe": seven bits a byte.
        at = 10 + sum(
            (byte & 127) << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True)
        )
    file.seek(at)
    frame = file.read(256)
    for marker in (b"Xing", b"Info"):
        position = frame.find(marker)
        if 0 <= position <= len(frame) - 16:
            flags = frame[position + 7]
            # Flag 1: a frame count comes first; flag 2: the byte count is present.
            count_at = position + 8 + (4 if flags & 1 else 0)
            if flags & 2 and count_at + 4 <= len(frame):
                (length,) = struct.unpack(">I", frame[count_at : count_at + 4])
                if at + length > size:
                    return _truncated(length, size - at)
    return None


def _truncated(declared: int, present: int) -> tuple[str, str]:
    return (
        "truncated",
        f"the header promises {declared} bytes of audio, {max(0, present)} are there",
    )


def unreadable_reason(path: Path) -> str | None:
    """Return why a path is not a readable regular file, or None if it is one."""
    if os.path.islink(path) and not path.exists():
        return "a link to nothing"
    if path.is_dir():
        return "a folder"
    if not path.exists():
        return "no such file"
    if not path.is_file():
        return "not a regular file"
    return None if os.access(path, os.R_OK) else "no permission to read"
