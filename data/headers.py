"""What a file's header promises, read with bounds, to tell a truncated file from a whole one.

libsndfile quietly shortens what a header promises to what is there, so the promise is read here.
Only the promise: decoding is libsndfile's.
"""

import os
import struct
from pathlib import Path
from typing import BinaryIO

_UNKNOWN = 0xFFFFFFFF
_TAIL = 1 << 16


def broken_promise(path: Path) -> tuple[str, str] | None:
    """(fault, detail) when the header promises other audio than the file has, else None.

    The fault is `truncated` (more promised) or `wrong length` (less promised, the rest is not
    any known chunk). A header too short to promise anything gives None. Errors: OSError.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        try:
            return _promise(file, size)
        except (struct.error, IndexError):
            return None


def _promise(file: BinaryIO, size: int) -> tuple[str, str] | None:
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


def _wav(file: BinaryIO, size: int, order: str) -> tuple[str, str] | None:
    """Chunks are walked to `data`. Both lengths 0xFFFFFFFF is what a pipe writes: no promise."""
    file.seek(4)
    (riff,) = struct.unpack(order + "I", file.read(4))
    at = 12
    for _ in range(1000):
        file.seek(at)
        chunk = file.read(8)
        if len(chunk) < 8:
            return None
        kind, (length,) = chunk[:4], struct.unpack(order + "I", chunk[4:])
        if kind == b"data":
            if length == _UNKNOWN and riff == _UNKNOWN:
                return None
            if at + 8 + length > size:
                return _short(length, size - at - 8)
            return _rest(file, at + 8 + length + length % 2, size, order, length)
        at += 8 + length + length % 2
    return None


def _rest(file: BinaryIO, at: int, size: int, order: str, promised: int) -> tuple[str, str] | None:
    """What follows the data chunk: other chunks, tags, or audio that the header left out."""
    while size - at >= 64:
        file.seek(at)
        chunk = file.read(8)
        if chunk[:3] in (b"TAG", b"ID3") or not any(chunk):
            return None
        if not all(32 <= byte < 127 for byte in chunk[:4]):
            return "wrong length", (
                f"the header promises {promised} bytes of audio, {size - at} more follow it"
            )
        (length,) = struct.unpack(order + "I", chunk[4:])
        at += 8 + length + length % 2
    return None


def _au(file: BinaryIO, size: int) -> tuple[str, str] | None:
    file.seek(4)
    offset, length = struct.unpack(">II", file.read(8))
    if length == _UNKNOWN or offset + length <= size:
        return None
    return _short(length, size - offset)


def _ogg(file: BinaryIO, size: int) -> tuple[str, str] | None:
    """The last page of a whole stream is marked as such."""
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
    """A Xing or Info header says how many bytes there are; without one nothing is promised."""
    file.seek(0)
    head = file.read(10)
    at = 0
    if head[:3] == b"ID3" and len(head) == 10:
        at = 10 + sum(
            (byte & 127) << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True)
        )
    file.seek(at)
    frame = file.read(256)
    for name in (b"Xing", b"Info"):
        found = frame.find(name)
        if 0 <= found <= len(frame) - 16:
            flags = frame[found + 7]
            where = found + 8 + (4 if flags & 1 else 0)
            if flags & 2 and where + 4 <= len(frame):
                (length,) = struct.unpack(">I", frame[where : where + 4])
                if at + length > size:
                    return _short(length, size - at)
    return None


def _short(promised: int, there: int) -> tuple[str, str]:
    return "truncated", f"the header promises {promised} bytes of audio, {max(0, there)} are there"


def is_regular(path: Path) -> str | None:
    """What a path is when it is not a file that can be read, else None."""
    if os.path.islink(path) and not path.exists():
        return "a link to nothing"
    if path.is_dir():
        return "a folder"
    if not path.exists():
        return "no such file"
    if not path.is_file():
        return "not a regular file"
    return None if os.access(path, os.R_OK) else "no permission to read"
