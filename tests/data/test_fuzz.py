"""Malformed files: no crash, no hang, little memory, and a reason for each."""

import io
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from genretune.data.audio import decode
from genretune.data.scan import scan_corpus

KINDS = {"wav": {}, "flac": {}, "au": {}, "ogg": {}, "mp3": {}, "24.wav": {"subtype": "PCM_24"}}
CASES = 600
LIMIT_MB = 200

# VmHWM, since getrusage's maximum includes the process that this one was forked from.
DECODE = """
import json, re, sys
from pathlib import Path
from genretune.data.audio import decode
faults = {}
for path in sorted(Path(sys.argv[1]).iterdir()):
    one = decode(path, 22050)
    faults[path.name] = [one.fault, one.detail, len(one.samples)]
most = int(re.search("VmHWM:.*?([0-9]+)", Path("/proc/self/status").read_text())[1])
print(json.dumps({"mb": most / 1024, "faults": faults}))
"""


def mutated(whole: bytes, chance: random.Random) -> bytes:
    """Cut, with bytes flipped (more in the header), or with a length that lies."""
    data = bytearray(whole)
    kind = chance.random()
    if kind < 0.5:
        for _ in range(chance.choice([1, 2, 4, 16])):
            reach = min(len(data), chance.choice([64, 256, 4096]))
            data[chance.randrange(reach)] = chance.choice([0, 255, 127, 128, 7])
    elif kind < 0.7:
        del data[chance.randrange(len(data)) :]
    else:
        at = chance.randrange(min(len(data), 200) - 4)
        lies = [b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f"]
        data[at : at + 4] = chance.choice(lies)
    return bytes(data)


@pytest.fixture(scope="module")
def whole() -> dict[str, bytes]:
    """A second of a tone in each format."""
    tone = np.rint(8000 * np.sin(np.arange(22050) * 0.05)).astype(np.int16)
    files = {}
    for kind, how in KINDS.items():
        buffer = io.BytesIO()
        soundfile.write(buffer, tone, 22050, format=kind.rsplit(".", 1)[-1].upper(), **how)
        files[kind] = buffer.getvalue()
    return files


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/status")
def test_mutated_files_cost_little_and_never_crash(whole, tmp_path: Path) -> None:
    chance = random.Random(0)
    for case in range(CASES):
        kind = chance.choice(list(whole))
        (tmp_path / f"{case:04d}.{kind}").write_bytes(mutated(whole[kind], chance))
    done = subprocess.run(
        [sys.executable, "-c", DECODE, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    got = json.loads(done.stdout)
    assert got["mb"] < LIMIT_MB
    assert len(got["faults"]) == CASES
    for name, (fault, detail, length) in got["faults"].items():
        assert (length > 0) == (fault is None), name
        assert bool(detail) == (fault is not None), name
    assert 50 < sum(fault is not None for fault, _, _ in got["faults"].values()) < CASES


def test_every_unusable_entry_is_reported_with_a_reason(whole, audio, tmp_path: Path) -> None:
    root = tmp_path / "music"
    for n in range(3):
        audio(f"music/a/{n}.wav", seed=n)
        audio(f"music/b/{n}.wav", seed=10 + n)
    claims = bytearray(whole["wav"][:1000])
    claims[40:44] = (4_000_000_000).to_bytes(4, "little")
    (root / "a/claims.wav").write_bytes(claims)
    (root / "a/zero.wav").touch()
    (root / "a/folder.wav").mkdir()
    (root / "a/dangling.wav").symlink_to(tmp_path / "nowhere")
    os.mkfifo(root / "a/pipe.wav")
    (root / "b/with space.wav").write_bytes(b"?" * 50)
    (root / "b/new\nline.wav").write_bytes(b"?" * 50)
    (root / "b/ünï.wav").write_bytes(b"?" * 50)
    Path(os.fsdecode(os.fsencode(root) + b"/b/\xff.wav")).write_bytes(b"?" * 50)
    report = scan_corpus(root, cache=tmp_path / "cache")
    assert report.clips == 15 and report.duplicates == ()
    assert {f.file: (f.fault, bool(f.detail)) for f in report.faults} == {
        "a/claims.wav": ("truncated", True),
        "a/zero.wav": ("empty", True),
        "a/folder.wav": ("not audio", True),
        "a/dangling.wav": ("not audio", True),
        "a/pipe.wav": ("not audio", True),
        "b/with space.wav": ("not audio", True),
        "b/new\nline.wav": ("not audio", True),
        "b/ünï.wav": ("not audio", True),
        "b/\\xff.wav": ("not audio", True),
    }
    json.dumps(report.as_json()).encode("utf-8")


def test_a_small_file_that_expands_to_minutes_of_silence(tmp_path: Path) -> None:
    """FLAC compresses silence by a factor of a thousand and more."""
    buffer = io.BytesIO()
    soundfile.write(buffer, np.zeros(22050 * 1200, np.int16), 22050, format="FLAC")
    (tmp_path / "x.flac").write_bytes(buffer.getvalue())
    got = decode(tmp_path / "x.flac", 22050)
    assert got.fault == "silent" and len(got.samples) == 0
